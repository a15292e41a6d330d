//! Sending a [`Row`]: a stream for as long as messages of a group are under way, and another one after a refusal.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kring_protocol::ids::GroupId;
use kring_protocol::message::{Reply, Request, Submit};
use tokio::sync::mpsc;

use super::core::Arrival;
use super::exchange::{Failure, Frames};
use super::row::{Next, Outcome, Row};
use super::serve::{Shared, Stop};
use crate::api::RelayFault;
use crate::conversation::{Input, Ticket};

/// Messages that are written at once: all that can be under way in a case.
const TOGETHER: usize = 64;

/// What comes to the lane of a group.
#[derive(Debug)]
enum Letter {
    /// A message to send.
    Submit(Ticket, Submit),
    /// The conversation has heard an answer.
    Heard(Ticket),
}

/// The lanes of one connection on which something is under way.
#[derive(Debug, Default)]
pub(super) struct Lanes(Mutex<HashMap<GroupId, mpsc::UnboundedSender<Letter>>>);

/// A lane that begins: to be [run](Lane::run).
pub(super) struct Lane {
    group: GroupId,
    letters: mpsc::UnboundedReceiver<Letter>,
    row: Row,
}

impl Lanes {
    /// Puts a message behind those of its group; a lane to run, if nothing of the group is under way.
    pub(super) fn submit(&self, ticket: Ticket, submit: Submit) -> Option<Lane> {
        let group = submit.access.group;
        let mut lanes = self.lanes();
        if let Some(lane) = lanes.get(&group) {
            // Whoever runs the lane takes it off the list before it ends.
            let _sent = lane.send(Letter::Submit(ticket, submit));
            return None;
        }
        let (sender, letters) = mpsc::unbounded_channel();
        let _sent = sender.send(Letter::Submit(ticket, submit));
        lanes.insert(group, sender);
        Some(Lane { group, letters, row: Row::default() })
    }

    /// The conversation has heard an answer.
    pub(super) fn heard(&self, ticket: Ticket) {
        for lane in self.lanes().values() {
            let _sent = lane.send(Letter::Heard(ticket));
        }
    }

    fn lanes(&self) -> MutexGuard<'_, HashMap<GroupId, mpsc::UnboundedSender<Letter>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lane {
    /// Sends what comes, until nothing is under way any more.
    pub(super) async fn run(mut self, shared: Arc<Shared>) -> Result<(), Stop> {
        while self.begins(&shared).await? {
            self.stream(&shared).await?;
        }
        Ok(())
    }

    /// Waits for something to write. False: the lane has ended.
    async fn begins(&mut self, shared: &Shared) -> Result<bool, Stop> {
        loop {
            if !self.letters.is_empty() {
                return Ok(true);
            }
            if !self.row.is_busy() {
                let mut lanes = shared.lanes.lanes();
                // Nothing is put there while this is held.
                if self.letters.is_empty() {
                    lanes.remove(&self.group);
                    return Ok(false);
                }
                return Ok(true);
            }
            // A refusal has yet to be heard.
            let Some(letter) = self.letters.recv().await else { return Ok(false) };
            let mut requests = Vec::new();
            self.take(shared, letter, &mut requests).await?;
            debug_assert!(requests.is_empty(), "nothing goes on behind a refusal");
        }
    }

    /// One stream, from its first message to its last answer.
    async fn stream(&mut self, shared: &Shared) -> Result<(), Stop> {
        let mut requests = Vec::new();
        self.take_waiting(shared, &mut requests).await?;
        if requests.is_empty() {
            return Ok(());
        }
        let (mut stream, frames) = shared.exchange.open().await?;
        stream.write(&requests).await?;
        let mut reading = Box::pin(next(frames));
        while self.row.awaits() {
            let (frames, reply) = tokio::select! {
                biased;
                reply = &mut reading => reply,
                letter = self.letters.recv() => {
                    let Some(letter) = letter else { return Ok(()) };
                    let mut requests = Vec::new();
                    self.take(shared, letter, &mut requests).await?;
                    self.take_waiting(shared, &mut requests).await?;
                    stream.write(&requests).await?;
                    continue;
                }
            };
            let answer = match reply?.ok_or(RelayFault::Unfinished)? {
                Reply::Receipt(receipt) => Ok(Reply::Receipt(receipt)),
                Reply::Refused(refusal) => Err(refusal),
                _ => return Err(RelayFault::WrongAnswer.into()),
            };
            match self.row.answered(answer) {
                Some(Next::On(outcome)) => {
                    self.tell(shared, outcome).await?;
                    reading.set(next(frames));
                }
                Some(Next::Over(outcomes)) => {
                    for outcome in outcomes {
                        self.tell(shared, outcome).await?;
                    }
                    return Ok(());
                }
                Some(Next::Again(requests)) => {
                    let (again, frames) = shared.exchange.open().await?;
                    stream = again;
                    stream.write(&requests).await?;
                    reading.set(next(frames));
                }
                None => return Err(RelayFault::WrongAnswer.into()),
            }
        }
        self.row.end_stream();
        stream.finish();
        Ok(())
    }

    /// Takes what waits, as much as is written at once.
    async fn take_waiting(&mut self, shared: &Shared, requests: &mut Vec<Request>) -> Result<(), Stop> {
        while requests.len() < TOGETHER
            && let Ok(letter) = self.letters.try_recv()
        {
            self.take(shared, letter, requests).await?;
        }
        Ok(())
    }

    async fn take(&mut self, shared: &Shared, letter: Letter, requests: &mut Vec<Request>) -> Result<(), Stop> {
        match letter {
            Letter::Submit(ticket, submit) => match self.row.offer(ticket, submit) {
                Ok(request) => requests.push(request),
                Err(outcome) => self.tell(shared, outcome).await?,
            },
            Letter::Heard(ticket) => self.row.heard(ticket),
        }
        Ok(())
    }

    async fn tell(&self, shared: &Shared, (ticket, answer): Outcome) -> Result<(), Stop> {
        shared.arrive(Arrival::Input(Input::Answered { ticket, answer })).await
    }
}

/// The next frame, and the stream back: a wait for it that is given up half way would lose what has come of it.
async fn next(mut frames: Frames) -> (Frames, Result<Option<Reply>, Failure>) {
    let reply = frames.next().await;
    (frames, reply)
}

/// Whether a message can go in a row with others.
pub(super) fn fits(submit: &Submit) -> bool {
    submit.message.len() <= crate::conversation::MOST_IN_ROW
}
