//! Connections of new devices, which have no certificate yet: as little as possible, for a short time.
//!
//! A visitor may put its request and ask for the answer, one request at a time. Refused: too many visitors from one place
//! or in all, too many requests, everything else that the wire knows, and whoever names too many tickets that do not exist.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kring_protocol::limits::MAX_ENROL_FRAME;
use kring_protocol::message::{Empty, FetchAnswer, Reply, Request};
use kring_protocol::payload::Payload;
use kring_protocol::refusal::Refusal;
use quinn::{Connection, RecvStream, SendStream, VarInt};
use tokio::time::{sleep, timeout};

use super::intake::{NoRequest, Turn};
use super::reply::Answer;
use super::{Shell, certificates, closing, intake};
use crate::clock;
use crate::engine::MailboxCommand;
use crate::rules::enrolment::ASK_AGAIN;
use crate::rules::guessing::{Guesses, Neighbourhood};

/// Visitors at once from one place: a team that sets its devices up behind one address.
const MOST_FROM_ONE: usize = 8;
/// Visitors at once in all.
const MOST_VISITORS: usize = 256;
/// So long a visit lasts at most; who still waits for an answer comes again.
const VISIT: Duration = Duration::from_secs(300);
/// Requests of one visit: one for each 25 s of waiting, and room to spare.
const MOST_REQUESTS: usize = 64;
/// So long a question waits for its answer.
const WAIT: Duration = Duration::from_secs(25);
/// Bytes that a visitor may send before they are read: one request at a time.
const WINDOW: u32 = 32 << 10;

/// Who visits, and who guesses.
#[derive(Default)]
pub(crate) struct Visitors {
    present: Mutex<HashMap<Neighbourhood, usize>>,
    guesses: Mutex<Guesses>,
}

/// A visitor, until it goes.
struct Visit<'v> {
    visitors: &'v Visitors,
    from: Neighbourhood,
}

impl Visitors {
    fn enter(&self, from: IpAddr) -> Option<Visit<'_>> {
        let from = Neighbourhood::of(from);
        let mut present = self.present();
        let here = present.get(&from).copied().unwrap_or_default();
        if here >= MOST_FROM_ONE || present.values().sum::<usize>() >= MOST_VISITORS {
            return None;
        }
        present.insert(from, here + 1);
        Some(Visit { visitors: self, from })
    }

    fn present(&self) -> MutexGuard<'_, HashMap<Neighbourhood, usize>> {
        self.present.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn guesses(&self) -> MutexGuard<'_, Guesses> {
        self.guesses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Visit<'_> {
    fn drop(&mut self) {
        let mut present = self.visitors.present();
        if let Some(here) = present.get_mut(&self.from) {
            *here -= 1;
            if *here == 0 {
                present.remove(&self.from);
            }
        }
    }
}

/// Serves a visitor to the end of its visit.
pub(crate) async fn serve(shell: &Arc<Shell>, connection: &Connection) {
    connection.set_max_concurrent_bi_streams(VarInt::from_u32(1));
    connection.set_receive_window(VarInt::from_u32(WINDOW));
    let Some(_visit) = shell.visitors.enter(connection.remote_address().ip()) else {
        shell.metrics.connections_shed.increment(1);
        connection.close(closing::busy(), &[]);
        return;
    };
    shell.metrics.enrolment_visits.increment(1);
    let requests = async {
        for _ in 0..MOST_REQUESTS {
            let Ok((send, receive)) = connection.accept_bi().await else { return };
            request(shell, connection, send, receive).await;
        }
    };
    let end = tokio::select! {
        () = requests => closing::busy(),
        () = sleep(VISIT) => closing::busy(),
        () = shell.drain.cancelled() => closing::code(&Refusal::Draining),
    };
    connection.close(end, &[]);
}

async fn request(shell: &Arc<Shell>, connection: &Connection, send: SendStream, mut receive: RecvStream) {
    let reply = Answer::new(send, shell.times.request, &shell.metrics);
    let turn = Turn::default();
    let arrived = intake::request(&mut receive, MAX_ENROL_FRAME, shell.times.handshake, &shell.memory, &turn).await;
    let answered = match arrived {
        Ok(arrived) => {
            shell.metrics.request(&arrived.request);
            shell.metrics.request_bytes.increment(arrived.bytes);
            answer(shell, Neighbourhood::of(connection.remote_address().ip()), arrived.request).await
        }
        Err(NoRequest::Refused(refusal)) => Err(refusal),
        Err(NoRequest::TimedOut) => return reply.abandon(),
        Err(NoRequest::Ended) => return,
    };
    // A visitor that does not take its answer is gone.
    let _taken = reply.finish(&answered.unwrap_or_else(Reply::Refused)).await;
}

async fn answer(shell: &Arc<Shell>, from: Neighbourhood, request: Request) -> Result<Reply, Refusal> {
    shell.visitors.guesses().admit(from, clock::now())?;
    let answered = match request {
        Request::PutRequest(_) if shell.disk.is_raised() => Err(Refusal::DiskFull),
        Request::PutRequest(request) => {
            shell.engine.mailbox(MailboxCommand::PutRequest(request)).await.map(|()| Reply::Done(Empty))
        }
        Request::FetchAnswer(request) => wait(shell, &request).await.map(certificates::answer),
        _ => Err(Refusal::UnknownRequest),
    };
    if answered == Err(Refusal::UnknownTicket) {
        shell.metrics.tickets_guessed.increment(1);
        shell.visitors.guesses().wrong(from, clock::now());
    }
    answered
}

/// Waits a while for the answer: asked again whenever an administration has answered anything.
async fn wait(shell: &Arc<Shell>, request: &FetchAnswer) -> Result<Payload, Refusal> {
    let mut answers = shell.answered.subscribe();
    let waiting = async {
        loop {
            answers.mark_unchanged();
            match shell.engine.fetch_answer(request.clone()).await {
                Err(Refusal::NotAnswered { after_ms }) => {
                    if answers.changed().await.is_err() {
                        return Err(Refusal::NotAnswered { after_ms });
                    }
                }
                other => return other,
            }
        }
    };
    timeout(WAIT, waiting).await.unwrap_or(Err(Refusal::NotAnswered { after_ms: ASK_AGAIN }))
}
