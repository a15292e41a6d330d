//! Messages of one group in a row: one behind another on one stream, in the order in which the conversation encrypted
//! them, before the first has been answered.
//!
//! A relay takes nothing behind a message that it refuses, and answers nothing more on that stream. So everything behind
//! it, what the conversation sends before it has heard of the refusal included, is given back as not taken: if it went on,
//! it would overtake what was refused. Nothing here waits or does I/O.

use std::collections::VecDeque;

use kring_protocol::ids::Epoch;
use kring_protocol::message::{Reply, Request, Submit};
use kring_protocol::refusal::{Refusal, Retry};

use crate::conversation::Ticket;

/// What a request of the conversation is answered with.
pub(crate) type Outcome = (Ticket, Result<Vec<Reply>, Refusal>);

/// A message under way.
#[derive(Debug)]
struct Sent {
    ticket: Ticket,
    submit: Submit,
    /// It brought no proof: one before it on the stream had.
    bare: bool,
}

/// A message that was refused.
#[derive(Debug)]
struct Refused {
    ticket: Ticket,
    epoch: Epoch,
    refusal: Refusal,
}

/// What an answer of the relay leads to.
#[derive(Debug)]
pub(crate) enum Next {
    /// The stream goes on.
    On(Outcome),
    /// The stream has ended: these are answered, and what comes next goes on another one.
    Over(Vec<Outcome>),
    /// The stream has ended because the relay has forgotten a proof: this goes on another one, in this order.
    Again(Vec<Request>),
}

/// The row of one group on one connection.
#[derive(Debug, Default)]
pub(crate) struct Row {
    under_way: VecDeque<Sent>,
    /// The epoch whose proof went with the present stream.
    proven: Option<Epoch>,
    /// The refused message of which the conversation has not heard.
    broken_by: Option<Refused>,
}

impl Row {
    /// A message comes: what to write on the stream, or its answer at once.
    pub(crate) fn offer(&mut self, ticket: Ticket, submit: Submit) -> Result<Request, Outcome> {
        if let Some(refused) = &self.broken_by {
            return Err((ticket, Err(refused.behind(submit.access.epoch))));
        }
        let bare = self.proven == Some(submit.access.epoch);
        self.proven = Some(submit.access.epoch);
        let request = on_stream(&submit, bare);
        self.under_way.push_back(Sent { ticket, submit, bare });
        Ok(request)
    }

    /// The relay answers the message that was sent first. `None`: nothing is under way.
    pub(crate) fn answered(&mut self, answer: Result<Reply, Refusal>) -> Option<Next> {
        let first = self.under_way.pop_front()?;
        let refusal = match answer {
            Ok(reply) => return Some(Next::On((first.ticket, Ok(vec![reply])))),
            Err(refusal) => refusal,
        };
        self.proven = None;
        if refusal == Refusal::Forbidden && first.bare {
            // Its memory of proofs is bounded.
            self.under_way.push_front(first);
            return Some(Next::Again(self.again()));
        }
        let refused = Refused { ticket: first.ticket, epoch: first.submit.access.epoch, refusal: refusal.clone() };
        let mut outcomes = vec![(first.ticket, Err(refusal))];
        let behind = |sent: Sent| (sent.ticket, Err(refused.behind(sent.submit.access.epoch)));
        outcomes.extend(self.under_way.drain(..).map(behind));
        self.broken_by = Some(refused);
        Some(Next::Over(outcomes))
    }

    /// The conversation has heard the answer to a request: what it sends from now on takes that into account.
    pub(crate) fn heard(&mut self, ticket: Ticket) {
        if self.broken_by.as_ref().is_some_and(|by| by.ticket == ticket) {
            self.broken_by = None;
        }
    }

    /// Whether messages wait for their answers, or a refusal for being heard.
    pub(crate) fn is_busy(&self) -> bool {
        !self.under_way.is_empty() || self.broken_by.is_some()
    }

    /// Whether messages wait for their answers.
    pub(crate) fn awaits(&self) -> bool {
        !self.under_way.is_empty()
    }

    /// A stream has ended in good order; the next one begins with a proof.
    pub(crate) fn end_stream(&mut self) {
        self.proven = None;
    }

    fn again(&mut self) -> Vec<Request> {
        let mut requests = Vec::with_capacity(self.under_way.len());
        for sent in &mut self.under_way {
            sent.bare = self.proven == Some(sent.submit.access.epoch);
            self.proven = Some(sent.submit.access.epoch);
            requests.push(on_stream(&sent.submit, sent.bare));
        }
        requests
    }
}

impl Refused {
    /// What a message behind it is told: the same where it would be refused too, or may not go on either; otherwise to come
    /// again at once. An epoch has ended for its own messages alone.
    fn behind(&self, epoch: Epoch) -> Refusal {
        match self.refusal.retry() {
            Retry::AfterReading if epoch == self.epoch => self.refusal.clone(),
            Retry::After(_) | Retry::Reconnect => self.refusal.clone(),
            Retry::AfterReading | Retry::Never => Refusal::Busy { after_ms: 0 },
        }
    }
}

fn on_stream(submit: &Submit, bare: bool) -> Request {
    let mut submit = submit.clone();
    if bare {
        submit.access.proof = None;
    }
    Request::Submit(submit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use kring_protocol::ids::{GroupId, OperationId, Seq, Signature, Timestamp};
    use kring_protocol::message::{Access, Receipt};

    fn submit(epoch: u64) -> Submit {
        let access = Access { group: GroupId([1; 16]), epoch: Epoch(epoch), proof: Some(Signature([2; 64])) };
        Submit { access, operation: OperationId([3; 16]), message: vec![4].into() }
    }

    /// Whether a message goes with its proof; `None`: it does not go.
    fn offered(row: &mut Row, ticket: u64, epoch: u64) -> Option<bool> {
        match row.offer(Ticket(ticket), submit(epoch)) {
            Ok(Request::Submit(submit)) => Some(submit.access.proof.is_some()),
            _ => None,
        }
    }

    fn receipt() -> Result<Reply, Refusal> {
        Ok(Reply::Receipt(Receipt { seq: Seq(1), at: Timestamp(1) }))
    }

    fn tickets(outcomes: &[Outcome]) -> Vec<u64> {
        outcomes.iter().map(|(ticket, _)| ticket.0).collect()
    }

    #[test]
    fn the_first_of_an_epoch_brings_the_proof() {
        let mut row = Row::default();
        assert_eq!(offered(&mut row, 1, 4), Some(true));
        assert_eq!(offered(&mut row, 2, 4), Some(false));
        assert_eq!(offered(&mut row, 3, 5), Some(true));
        for ticket in 1..=3 {
            assert!(matches!(row.answered(receipt()), Some(Next::On((Ticket(of), Ok(_)))) if of == ticket));
        }
        assert!(!row.is_busy());
        assert!(row.answered(receipt()).is_none(), "nobody waits for it");
    }

    #[test]
    fn nothing_goes_on_behind_a_refusal_before_it_has_been_heard() {
        let mut row = Row::default();
        for ticket in 1..=3 {
            offered(&mut row, ticket, 4);
        }
        let refused = Refusal::Busy { after_ms: 70 };
        let Some(Next::Over(outcomes)) = row.answered(Err(refused.clone())) else { panic!("goes on") };
        assert_eq!(tickets(&outcomes), [1, 2, 3]);
        assert!(outcomes.iter().all(|(_, answer)| *answer == Err(refused.clone())));
        assert_eq!(row.offer(Ticket(4), submit(4)), Err((Ticket(4), Err(refused))), "it was sent too early");
        row.heard(Ticket(2));
        assert_eq!(offered(&mut row, 5, 4), None, "that was another one");
        row.heard(Ticket(1));
        assert_eq!(offered(&mut row, 6, 4), Some(true), "a stream of its own, with a proof of its own");
    }

    #[test]
    fn what_is_behind_a_message_that_can_never_go_comes_again() {
        let mut row = Row::default();
        offered(&mut row, 1, 4);
        offered(&mut row, 2, 4);
        let Some(Next::Over(outcomes)) = row.answered(Err(Refusal::OperationReused)) else { panic!("goes on") };
        assert_eq!(outcomes[0].1, Err(Refusal::OperationReused));
        assert_eq!(outcomes[1].1, Err(Refusal::Busy { after_ms: 0 }));
    }

    #[test]
    fn an_epoch_that_has_ended_has_ended_for_its_own_messages_alone() {
        let mut row = Row::default();
        for (ticket, epoch) in [(1, 4), (2, 4), (3, 5)] {
            offered(&mut row, ticket, epoch);
        }
        let stale = Refusal::StaleEpoch { epoch: Epoch(5), winner: Seq(9) };
        let Some(Next::Over(outcomes)) = row.answered(Err(stale.clone())) else { panic!("goes on") };
        let again = Refusal::Busy { after_ms: 0 };
        let answers: Vec<_> = outcomes.into_iter().map(|(_, answer)| answer.expect_err("refused")).collect();
        assert_eq!(answers, [stale.clone(), stale, again.clone()]);
        assert_eq!(row.offer(Ticket(4), submit(5)), Err((Ticket(4), Err(again))));
    }

    #[test]
    fn a_proof_that_the_relay_has_forgotten_is_given_again_and_the_order_stays() {
        let mut row = Row::default();
        for ticket in 1..=3 {
            offered(&mut row, ticket, 4);
        }
        assert!(matches!(row.answered(receipt()), Some(Next::On(_))));
        let Some(Next::Again(requests)) = row.answered(Err(Refusal::Forbidden)) else { panic!("given up") };
        let proofs: Vec<_> = requests
            .iter()
            .map(|request| matches!(request, Request::Submit(submit) if submit.access.proof.is_some()))
            .collect();
        assert_eq!(proofs, [true, false]);
        let Some(Next::Over(outcomes)) = row.answered(Err(Refusal::Forbidden)) else { panic!("for ever") };
        assert_eq!(tickets(&outcomes), [2, 3]);
        assert_eq!(outcomes[0].1, Err(Refusal::Forbidden));
    }
}
