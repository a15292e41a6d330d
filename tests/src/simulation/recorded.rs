//! What came to one device in a story, to be given to its program again, changed as a relay might change it.

use kring_client::case::{CaseId, ItemId, Position, Role};
use kring_client::conversation::{Command, Conversation, Input, Settings};
use kring_client::store::Store;
use kring_protocol::ids::{GroupId, Timestamp};

use super::device::KEY_PACKAGES;
use super::region::region;
use super::scenario::Scenario;

/// Whom it came to.
const DEVICE: usize = 1;

/// All that came to a device which was added to a case while it was away: its Welcome, what was said meanwhile with the
/// Commits between, and what was said once it was there.
pub struct Recorded {
    before: Conversation,
    case: CaseId,
    group: GroupId,
    inputs: Vec<(Input, Timestamp)>,
    items: Vec<ItemId>,
}

impl Recorded {
    /// Plays the story.
    ///
    /// # Panics
    /// When it does not end as it should.
    #[expect(clippy::new_without_default, reason = "a story that takes seconds is nobody's default")]
    pub fn new() -> Self {
        let mut story = Scenario::new(3);
        story.go_offline(DEVICE);
        story.restart(DEVICE);
        let before = open(story.back_up(DEVICE), region().start);
        story.record(DEVICE);
        let case = story.case();
        story.command(0, Command::NewCase { case, title: "Gezin Proef".to_owned() });
        story.pass(10);
        for device in [DEVICE, 2] {
            let professional = story.address(device).professional;
            story.command(0, Command::Add { case, professional, device: None, role: Role::Member });
            story.pass(10);
        }
        story.say(0, "gezegd terwijl iemand weg was");
        story.say(2, "en het antwoord daarop");
        story.command(2, Command::UpdateKeys { case });
        story.pass(10);
        story.say(0, "gezegd met nieuwe sleutels");
        story.come_back(DEVICE);
        story.pass(10);
        story.say(2, "gezegd nu allen er zijn");
        let professional = story.address(2).professional;
        story.command(0, Command::SetRole { case, professional, role: Role::Deputy });
        story.pass(10);
        story.say(0, "het laatste");
        assert!(story.agree(&[0, DEVICE, 2]), "all are in the case\n{}", story.trace());
        let (group, _) = story.epoch(DEVICE).expect("it is in the case");
        let items = story.items(DEVICE);
        Self { before, case, group, inputs: story.recorded(), items }
    }

    /// The case.
    pub fn case(&self) -> CaseId {
        self.case
    }

    /// Its group.
    pub fn group(&self) -> GroupId {
        self.group
    }

    /// What came, in its order, and when by the device's clock.
    pub fn inputs(&self) -> &[(Input, Timestamp)] {
        &self.inputs
    }

    /// What the device shows when it was given just that.
    pub fn items(&self) -> &[ItemId] {
        &self.items
    }

    /// The device's program with the store that it had before.
    ///
    /// # Panics
    /// When the store cannot be copied.
    pub fn device(&self) -> Conversation {
        open(self.before.copy_store().expect("a whole store is copied"), region().start)
    }

    /// The device's program, started again with this store.
    ///
    /// # Panics
    /// When it does not open.
    pub fn again(&self, core: Conversation, now: Timestamp) -> Conversation {
        open(core.into_store(), now)
    }

    /// What a program shows of the case.
    ///
    /// # Panics
    /// When its store cannot be read.
    pub fn shown(&self, core: &Conversation) -> Vec<ItemId> {
        let items = core.items(self.case, Position(0), usize::MAX).expect("a whole store can be read");
        items.iter().map(|item| item.id).collect()
    }
}

fn open(store: Store, now: Timestamp) -> Conversation {
    open_as(DEVICE, store, now)
}

/// The program of any device of a story.
///
/// # Panics
/// When the store is not that device's.
pub fn open_as(device: usize, store: Store, now: Timestamp) -> Conversation {
    let settings = Settings { key_packages: KEY_PACKAGES, ..Settings::new("relay.example:4433") };
    Conversation::open(store, region().credentials(device, &[], now), settings, now).expect("a whole store opens")
}

#[cfg(test)]
mod tests {
    use kring_client::conversation::{Action, Event, Suspicion};

    use super::*;

    #[test]
    fn what_came_once_makes_another_program_show_the_same() {
        let recorded = Recorded::new();
        let mut core = recorded.device();
        for (input, now) in recorded.inputs() {
            core.handle(input.clone(), *now).expect("it is taken");
        }
        assert!(recorded.items().len() >= 5);
        assert_eq!(recorded.shown(&core), recorded.items());
    }

    /// A relay that leaves out where a device's log begins could show the first messages in any order.
    #[test]
    fn nothing_is_shown_of_a_log_that_does_not_begin_with_the_commit_that_added_the_device() {
        let recorded = Recorded::new();
        let begin = recorded.inputs().iter().position(|(input, _)| matches!(input, Input::Record { .. }));
        let begin = begin.expect("records came");
        let garbage = |input: &Input| match input.clone() {
            Input::Record { group, record } => {
                let message = kring_protocol::payload::Payload(vec![7; 40].into());
                Some(Input::Record { group, record: kring_protocol::message::Record { message, ..record } })
            }
            _ => None,
        };
        for instead in [None, garbage(&recorded.inputs()[begin].0)] {
            let mut core = recorded.device();
            let mut told = Vec::new();
            for (at, (input, now)) in recorded.inputs().iter().enumerate() {
                let input = if at == begin { instead.clone() } else { Some(input.clone()) };
                let Some(input) = input else { continue };
                told.extend(core.handle(input, *now).expect("a relay breaks no store"));
            }
            assert_eq!(recorded.shown(&core), []);
            let order =
                |action: &Action| matches!(action, Action::Tell(Event::Suspicion { what: Suspicion::Order, .. }));
            assert!(told.iter().any(order), "the user is told");
        }
    }

    #[test]
    fn the_end_of_a_log_of_which_nothing_came_is_not_believed() {
        let recorded = Recorded::new();
        let mut core = recorded.device();
        let begin = recorded.inputs().iter().position(|(input, _)| matches!(input, Input::Record { .. }));
        let (before, after) = recorded.inputs().split_at(begin.expect("records came"));
        for (input, now) in before {
            core.handle(input.clone(), *now).expect("it is taken");
        }
        let epoch = core.case(recorded.case()).expect("it reads").expect("it has joined").epoch;
        let end = Input::CaughtUp { group: recorded.group(), epoch, after: kring_protocol::ids::Seq(9) };
        let told = core.handle(end, after[0].1).expect("a relay breaks no store");
        let order = |action: &Action| matches!(action, Action::Tell(Event::Suspicion { what: Suspicion::Order, .. }));
        assert!(told.iter().any(order), "the user is told");
    }

    #[test]
    fn a_record_that_says_it_is_number_0_is_taken_nowhere() {
        let recorded = Recorded::new();
        for at in 0..recorded.inputs().len() {
            let (Input::Record { group, record }, now) = recorded.inputs()[at].clone() else { continue };
            let mut core = recorded.device();
            for (input, now) in &recorded.inputs()[..at] {
                core.handle(input.clone(), *now).expect("it is taken");
            }
            let before = recorded.shown(&core);
            let record = kring_protocol::message::Record { seq: kring_protocol::ids::Seq(0), ..record };
            core.handle(Input::Record { group, record }, now).expect("a relay breaks no store");
            assert_eq!(recorded.shown(&core), before);
        }
    }
}
