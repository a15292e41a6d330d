//! Submissions one behind another on one stream: what a device has to say in one case, in its order, without waiting for
//! each receipt.
//!
//! The engine is given each as soon as it has come, so that those that lie close together share one sync of the disk;
//! receipts go back in the same order, as many in one write as are there. A refusal is the last answer: nothing behind it is
//! taken, whether the engine has it already or not, so that nothing overtakes what was refused. Refused too: anything but a submission, and a large
//! frame, which stands alone on a stream of its own.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::atomic::Ordering;

use bytes::{Buf as _, BytesMut};
use kring_protocol::frame::{self, PREFIX};
use kring_protocol::message::{Receipt, Reply, Request, Submit};
use kring_protocol::refusal::Refusal;
use quinn::RecvStream;
use tokio::time::{Sleep, sleep};

use super::reply::{Answer, NotTaken};
use super::session::Session;
use super::{Shell, answer, closing, intake};
use crate::engine::{Row, Submission};

/// Submissions of one stream that wait for their receipts at once. Four times what is under way in a busy case; more would
/// only wait in the engine's queue instead of in QUIC's flow control.
const MOST_UNDER_WAY: usize = 64;

/// Answers a submission, and those that follow it.
pub(crate) async fn serve(
    session: &Session,
    first: Submit,
    receive: RecvStream,
    mut answer: Answer<'_>,
) -> Result<(), NotTaken> {
    let shell = &session.shell;
    let drain = shell.drain.cancelled();
    tokio::pin!(drain);
    let mut incoming = Incoming { stream: receive, bytes: BytesMut::new(), due: None, shell };
    let mut under_way = VecDeque::with_capacity(1);
    let row = Row::default();
    let mut refused = begin(session, &row, first).await.map(|first| under_way.push_back(first)).err();
    let mut open = refused.is_none();
    while open || !under_way.is_empty() {
        tokio::select! {
            biased;
            next = incoming.next(), if open && under_way.len() < MOST_UNDER_WAY => match next {
                Next::Submit(submit) => match begin(session, &row, submit).await {
                    Ok(submission) => under_way.push_back(submission),
                    Err(refusal) => (open, refused) = (false, Some(refusal)),
                },
                Next::Refused(refusal) => (open, refused) = (false, Some(refusal)),
                Next::Ended => open = false,
            },
            receipt = front(session, &mut under_way), if !under_way.is_empty() => {
                under_way.pop_front();
                let mut replies = vec![reply(receipt)];
                // Those that became durable with it go in the same write.
                while !is_refusal(&replies)
                    && let Some(next) = under_way.front_mut().and_then(Submission::receipt_now)
                {
                    under_way.pop_front();
                    replies.push(reply(next));
                }
                answer.frames(&replies).await?;
                if is_refusal(&replies) {
                    incoming.stop();
                    return answer.end();
                }
            }
            // What is under way is answered; the next one goes to the relay that comes after this one.
            () = &mut drain, if open => open = false,
        }
    }
    incoming.stop();
    match refused {
        Some(refusal) => answer.finish(&Reply::Refused(refusal)).await,
        None => answer.end(),
    }
}

/// Checks a submission's access and hands it to the engine.
async fn begin(session: &Session, row: &Row, submit: Submit) -> Result<Submission, Refusal> {
    let shell = &session.shell;
    if shell.draining.load(Ordering::Relaxed) {
        return Err(Refusal::Draining);
    }
    if shell.disk.is_raised() {
        return Err(Refusal::DiskFull);
    }
    let access = answer::access(session, &submit.access).await?;
    shell.engine.begin_submit(row, access, submit)
}

/// Waits for the receipt that is due next; gives nothing up when it is not waited for to the end.
async fn front(session: &Session, under_way: &mut VecDeque<Submission>) -> Result<Receipt, Refusal> {
    match under_way.front_mut() {
        Some(submission) => submission.receipt(&session.shell.engine).await,
        None => std::future::pending().await,
    }
}

fn reply(receipt: Result<Receipt, Refusal>) -> Reply {
    match receipt {
        Ok(receipt) => Reply::Receipt(receipt),
        Err(refusal) => Reply::Refused(refusal),
    }
}

fn is_refusal(replies: &[Reply]) -> bool {
    matches!(replies.last(), Some(Reply::Refused(_)))
}

/// What comes next on the stream.
enum Next {
    Submit(Submit),
    Refused(Refusal),
    /// The stream has ended, or a frame that was begun does not go on.
    Ended,
}

/// The stream, and what has come of the next frame.
struct Incoming<'s> {
    stream: RecvStream,
    bytes: BytesMut,
    shell: &'s Shell,
    /// When a frame that was begun has to be there.
    due: Option<Pin<Box<Sleep>>>,
}

impl Incoming<'_> {
    /// The next submission. What has come is kept when this is given up.
    async fn next(&mut self) -> Next {
        loop {
            match self.whole() {
                Ok(Some(Request::Submit(submit))) => return Next::Submit(submit),
                Ok(Some(_)) => return Next::Refused(Refusal::Malformed),
                Ok(None) => {}
                Err(refusal) => return Next::Refused(refusal),
            }
            let chunk = self.stream.read_chunk(intake::SMALL, true);
            let chunk = if self.bytes.is_empty() {
                // A device may be silent between two messages for as long as it likes.
                chunk.await
            } else {
                let due = self.due.get_or_insert_with(|| Box::pin(sleep(self.shell.times.request)));
                tokio::select! {
                    chunk = chunk => chunk,
                    () = due => return Next::Ended,
                }
            };
            match chunk {
                Ok(Some(chunk)) => self.bytes.extend_from_slice(&chunk.bytes),
                Ok(None) if self.bytes.is_empty() => return Next::Ended,
                // Finished within a frame.
                Ok(None) => return Next::Refused(Refusal::Malformed),
                Err(_) => return Next::Ended,
            }
        }
    }

    /// Takes a frame off what has come.
    fn whole(&mut self) -> Result<Option<Request>, Refusal> {
        let Some((prefix, rest)) = self.bytes.split_first_chunk::<PREFIX>() else { return Ok(None) };
        let length = frame::body_length(*prefix, intake::SMALL).map_err(intake::refusal)?;
        if rest.len() < length {
            return Ok(None);
        }
        self.bytes.advance(PREFIX);
        let body = self.bytes.split_to(length);
        self.due = None;
        let request = frame::decode(&body).map_err(intake::refusal)?;
        self.shell.metrics.request(&request);
        self.shell.metrics.request_bytes.increment((PREFIX + length) as u64);
        Ok(Some(request))
    }

    /// Tells the peer that nothing more is read.
    fn stop(&mut self) {
        // An error says that the stream has ended already.
        let _ended = self.stream.stop(closing::busy());
    }
}
