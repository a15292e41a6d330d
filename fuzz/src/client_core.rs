//! Bytes as what a relay makes of what it should give to a device: in another order, again, not at all, changed, or made
//! up; with connections that end, clocks that jump and a user who goes on meanwhile.
//!
//! Must hold: no panic; the store never fails of it; what is shown are the case's own items, each once, or what this device
//! said itself; in the log's order, unless the user was told that the relay breaks it or shows others something else; and
//! a program that is started with the store afterwards shows the same.

use std::collections::BTreeSet;

use bytes::Bytes;
use kring_client::case::{ItemDraft, ItemId};
use kring_client::conversation::{
    Action, Command, Connected, Conversation, Event, Input, StepError, Suspicion, Ticket,
};
use kring_protocol::frame;
use kring_protocol::ids::{AccessKey, CrlDigest, Epoch, InboxSeq, Incarnation, OperationId, Seq, Timestamp};
use kring_protocol::message::{Gap, Note, Record, Reply};
use kring_protocol::payload::Payload;
use kring_protocol::refusal::Refusal;
use kring_tests::simulation::recorded::Recorded;

use crate::mix;

/// Steps of one input.
const STEPS: usize = 60;
/// Tickets that an answer can be for: more than a device draws in the story.
const TICKETS: u8 = 48;

thread_local! {
    static STORY: Recorded = Recorded::new();
}

/// Each operation is a byte, with the bytes after it as its arguments.
pub(crate) fn run(input: &[u8]) -> u64 {
    STORY.with(|story| Run::new(story).play(&mut Arguments(input)))
}

/// The rest of an input; what is not there is zero.
struct Arguments<'i>(&'i [u8]);

impl Arguments<'_> {
    fn byte(&mut self) -> u8 {
        self.0.split_off_first().copied().unwrap_or(0)
    }

    fn flag(&mut self) -> bool {
        self.byte().is_multiple_of(2)
    }

    fn number(&mut self) -> u64 {
        match self.byte() {
            255 => u64::MAX,
            number => u64::from(number),
        }
    }

    fn bytes(&mut self) -> Bytes {
        let length = usize::from(self.byte()).min(self.0.len());
        let (bytes, rest) = self.0.split_at(length);
        self.0 = rest;
        Bytes::copy_from_slice(bytes)
    }

    fn array<const LENGTH: usize>(&mut self) -> [u8; LENGTH] {
        [self.byte(); LENGTH]
    }
}

struct Run<'s> {
    story: &'s Recorded,
    core: Conversation,
    next: usize,
    now: Timestamp,
    own: BTreeSet<ItemId>,
    /// The user was told that the log is not what others see.
    warned: bool,
    happened: u64,
}

impl<'s> Run<'s> {
    fn new(story: &'s Recorded) -> Self {
        let now = story.inputs()[0].1;
        Self { story, core: story.device(), next: 0, now, own: BTreeSet::new(), warned: false, happened: 0 }
    }

    fn play(mut self, arguments: &mut Arguments<'_>) -> u64 {
        for _ in 0..STEPS {
            if arguments.0.is_empty() {
                break;
            }
            self.operation(arguments);
        }
        let shown = self.story.shown(&self.core);
        self.judge(&shown);
        let again = self.story.again(self.core, self.now);
        assert_eq!(self.story.shown(&again), shown, "what is shown stays");
        mix(self.happened, shown.len() as u64)
    }

    fn operation(&mut self, arguments: &mut Arguments<'_>) {
        let inputs = self.story.inputs();
        match arguments.byte() % 12 {
            0 => {
                for _ in 0..=arguments.byte() % 16 {
                    self.give_next();
                }
            }
            1 => self.next += 1,
            2 => self.give(inputs[usize::from(arguments.byte()) % inputs.len()].0.clone()),
            3 => {
                let mut input = inputs[self.next.min(inputs.len() - 1)].0.clone();
                change(&mut input, arguments);
                self.give(input);
            }
            4 => {
                let mut input = inputs[usize::from(arguments.byte()) % inputs.len()].0.clone();
                change(&mut input, arguments);
                self.give(input);
            }
            5 => {
                let ticket = Ticket(u64::from(arguments.byte() % TICKETS));
                let Some(answer) = answer(arguments) else { return };
                self.give(Input::Answered { ticket, answer });
            }
            6 => {
                let record = Record {
                    seq: Seq(arguments.number()),
                    at: self.now,
                    operation: OperationId(arguments.array()),
                    message: Payload(arguments.bytes()),
                    next_access_key: None,
                    closes: None,
                };
                self.give(Input::Record { group: self.story.group(), record });
            }
            7 => {
                let group = self.story.group();
                let (first, second) = (arguments.number(), arguments.number());
                let (epoch, after) = (Epoch(first), Seq(second));
                self.give(match arguments.byte() % 3 {
                    0 => {
                        let (commits, records) = (arguments.number(), arguments.number());
                        let gap = Gap { from: Seq(first), to: Seq(second), commits, records };
                        Input::Gap { group, gap }
                    }
                    1 => Input::CaughtUp { group, epoch, after },
                    _ => {
                        let Some(Err(reason)) = answer(arguments) else { return };
                        Input::Unfollowed { group, epoch, reason }
                    }
                });
            }
            8 => {
                let connected = Connected {
                    incarnation: Incarnation(arguments.array()),
                    relay_now: self.now.plus(arguments.number().min(1 << 40)),
                    key_packages: arguments.number(),
                    last_resort: arguments.flag(),
                    inbox: arguments.number(),
                    crls: arguments.flag().then(|| CrlDigest(arguments.array())),
                };
                self.give(Input::Connected(connected));
            }
            9 => {
                let note =
                    Note { seq: InboxSeq(arguments.number()), day: self.now, sealed: Payload(arguments.bytes()) };
                self.give(Input::Note(note));
            }
            10 => {
                let input = match arguments.byte() % 5 {
                    0 => Input::Disconnected,
                    1 => Input::InboxWaiting,
                    2 => Input::KeyPackagesLow { left: arguments.number() },
                    3 => Input::CrlsChanged,
                    _ => {
                        // An hour for each, forward or back.
                        let hours = u64::from(arguments.byte()) * 3_600_000;
                        self.now = Timestamp(if arguments.flag() {
                            self.now.0.saturating_add(hours)
                        } else {
                            self.now.0.saturating_sub(hours)
                        });
                        Input::Tick
                    }
                };
                self.give(input);
            }
            _ => {
                let (case, item) = (self.story.case(), ItemId::random());
                let command = match arguments.byte() % 3 {
                    0 => Command::UpdateKeys { case },
                    1 => Command::Leave { case },
                    _ => {
                        self.own.insert(item);
                        Command::Send { case, item, draft: ItemDraft::markdown("hier") }
                    }
                };
                self.give(Input::Command(command));
            }
        }
    }

    fn give_next(&mut self) {
        let Some((input, now)) = self.story.inputs().get(self.next) else { return };
        self.next += 1;
        self.now = self.now.max(*now);
        self.give(input.clone());
    }

    fn give(&mut self, input: Input) {
        let actions = match self.core.handle(input, self.now) {
            Ok(actions) => actions,
            Err(StepError::Command(_)) => return self.happened = mix(self.happened, 1),
            Err(error @ StepError::Store(_)) => panic!("nothing that a relay gives breaks the store: {error:?}"),
        };
        for action in actions {
            if let Action::Tell(event) = action {
                let what = if let Event::Suspicion { what, .. } = &event { Some(what) } else { None };
                self.warned |= matches!(what, Some(Suspicion::Order | Suspicion::Fork));
                self.happened = mix(self.happened, told(&event));
            }
        }
    }

    /// The items of the log, each once and in its order; own ones anywhere, once.
    fn judge(&self, shown: &[ItemId]) {
        let log = self.story.items();
        let mut seen = BTreeSet::new();
        let mut last = None;
        for item in shown {
            assert!(seen.insert(*item), "an item is shown twice");
            if self.own.contains(item) {
                continue;
            }
            let at = log.iter().position(|said| said == item);
            assert!(at.is_some(), "an item is shown that nobody said");
            assert!(
                at > last || self.warned,
                "items are out of the log's order, and nothing is said of it: {shown:?}"
            );
            last = last.max(at);
        }
    }
}

/// A number for what a user is told, without identifiers.
fn told(event: &Event) -> u64 {
    let text = match event {
        Event::Suspicion { what, .. } => format!("{what:?}"),
        other => format!("{other:?}"),
    };
    text.split([' ', '(', '{']).next().unwrap_or_default().bytes().fold(7, |sum, byte| mix(sum, byte.into()))
}

/// What the rest of an input says as an answer: a frame, if it is one.
fn answer(arguments: &mut Arguments<'_>) -> Option<Result<Vec<Reply>, Refusal>> {
    match frame::decode(&arguments.bytes()).ok()? {
        Reply::Refused(refusal) => Some(Err(refusal)),
        reply => Some(Ok(vec![reply])),
    }
}

/// Changes what came.
fn change(input: &mut Input, arguments: &mut Arguments<'_>) {
    match input {
        Input::Record { record, .. } => match arguments.byte() % 5 {
            0 => record.seq = Seq(arguments.number()),
            1 => record.next_access_key = arguments.flag().then(|| AccessKey(arguments.array())),
            2 => record.closes = Some(arguments.flag()),
            _ => scratch(&mut record.message, arguments),
        },
        Input::Note(note) => scratch(&mut note.sealed, arguments),
        Input::Answered { answer: was, .. } => {
            if let Some(is) = answer(arguments) {
                *was = is;
            }
        }
        Input::CaughtUp { epoch, after, .. } => {
            (*epoch, *after) = (Epoch(arguments.number()), Seq(arguments.number()));
        }
        Input::Connected(connected) => connected.incarnation = Incarnation(arguments.array()),
        _ => {}
    }
}

/// Changes some bytes of a message, or cuts it.
fn scratch(payload: &mut Payload, arguments: &mut Arguments<'_>) {
    let mut bytes = payload.to_vec();
    let at = usize::from(u16::from_be_bytes([arguments.byte(), arguments.byte()])) % bytes.len().max(1);
    match arguments.byte() % 4 {
        0 => bytes.truncate(at),
        1 => bytes.extend_from_slice(&arguments.bytes()),
        _ => {
            for (byte, with) in bytes.iter_mut().skip(at).zip(arguments.bytes()) {
                *byte ^= with;
            }
        }
    }
    *payload = Payload(bytes.into());
}
