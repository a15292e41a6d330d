//! Random operations, kills and checkpoints in any order, against a model so simple that it is right at sight.

use kring_protocol::ids::*;
use kring_protocol::refusal::Refusal;
use proptest::prelude::*;

use super::world::*;
use crate::engine::Command;

#[derive(Debug, Clone)]
enum Step {
    Create(u8),
    Submit { group: u8, epoch: u64, operation: u64, text: u8 },
    Commit { group: u8, epoch: u64, operation: u64 },
    Read { group: u8, epoch: u64, after: Option<u64> },
    Tick,
    Kill,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        2 => (0..3u8).prop_map(Step::Create),
        6 => (0..3u8, 0..4u64, 0..40u64, 0..2u8)
            .prop_map(|(group, epoch, operation, text)| Step::Submit { group, epoch, operation, text }),
        2 => (0..3u8, 0..4u64, 0..40u64).prop_map(|(group, epoch, operation)| Step::Commit { group, epoch, operation }),
        3 => (0..3u8, 0..4u64, proptest::option::of(0..20u64))
            .prop_map(|(group, epoch, after)| Step::Read { group, epoch, after }),
        1 => Just(Step::Tick),
        1 => Just(Step::Kill),
    ];
    proptest::collection::vec(step, 1..120)
}

/// A log as a list: operation, message, and whether it is a Commit.
#[derive(Default)]
struct Log {
    created: bool,
    records: Vec<(u64, Vec<u8>, bool)>,
}

impl Log {
    fn epoch(&self) -> u64 {
        self.records.iter().filter(|record| record.2).count() as u64
    }

    /// The number of the Commit that ended an epoch.
    fn end_of(&self, epoch: u64) -> Option<usize> {
        let mut commits = (1..).zip(&self.records).filter(|(_, record)| record.2);
        commits.nth(usize::try_from(epoch).unwrap()).map(|(seq, _)| seq)
    }

    fn append(&mut self, epoch: u64, operation: u64, message: Vec<u8>, commit: bool) -> Result<u64, Refusal> {
        if !self.created || epoch > self.epoch() {
            return Err(Refusal::Forbidden);
        }
        if let Some(index) = self.records.iter().position(|record| record.0 == operation) {
            let same = self.records[index].1 == message;
            return if same { Ok(index as u64 + 1) } else { Err(Refusal::OperationReused) };
        }
        if let Some(winner) = self.end_of(epoch) {
            return Err(Refusal::StaleEpoch { epoch: Epoch(epoch + 1), winner: Seq(winner as u64) });
        }
        self.records.push((operation, message, commit));
        Ok(self.records.len() as u64)
    }

    fn read(&self, epoch: u64, after: Option<u64>) -> Result<Vec<String>, Refusal> {
        if !self.created || epoch > self.epoch() {
            return Err(Refusal::Forbidden);
        }
        let last = self.end_of(epoch).unwrap_or(self.records.len()) as u64;
        let opened = epoch.checked_sub(1).and_then(|before| self.end_of(before)).unwrap_or(0) as u64;
        let first = after.unwrap_or(opened.saturating_sub(1)) + 1;
        Ok((first..=last).map(|seq| seq.to_string()).collect())
    }
}

fn id(group: u8) -> GroupId {
    GroupId([group + 1; 16])
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn the_log_is_what_a_list_would_be_however_often_it_is_killed(steps in steps()) {
        let mut world = World::new();
        let mut model: [Log; 3] = Default::default();
        for step in steps {
            match step {
                Step::Create(group) => {
                    prop_assert!(world.create(id(group), group.into()).is_ok());
                    model[usize::from(group)].created = true;
                }
                Step::Submit { group, epoch, operation, text } => {
                    let body = message(id(group), epoch, APPLICATION, &[b'a' + text]).to_vec();
                    let command = submission(id(group), epoch, operation, if text == 0 { "a" } else { "b" });
                    let expected = model[usize::from(group)].append(epoch, operation, body, false);
                    let answer = receipt(world.ask(command)).map(|receipt| receipt.seq.0);
                    prop_assert_eq!(answer, expected);
                }
                Step::Commit { group, epoch, operation } => {
                    let body = message(id(group), epoch, COMMIT, &operation.to_be_bytes()).to_vec();
                    let expected = model[usize::from(group)].append(epoch, operation, body, true);
                    let answer = receipt(world.ask(commitment(id(group), epoch, operation, Vec::new())));
                    prop_assert_eq!(answer.map(|receipt| receipt.seq.0), expected);
                }
                Step::Read { group, epoch, after } => {
                    let command = Command::Read { access: access(id(group), epoch), after: after.map(Seq), limit: 1 << 20 };
                    let answer = world.ask(command).map(|answer| match answer {
                        crate::engine::Answer::Stretch(stretch) => shape(&stretch),
                        other => panic!("{other:?}"),
                    });
                    prop_assert_eq!(answer, model[usize::from(group)].read(epoch, after));
                }
                Step::Tick => world.tick(),
                Step::Kill => world.restart(),
            }
        }
    }
}

#[test]
fn what_is_in_memory_does_not_grow_with_what_is_stored() {
    let mut world = World::new();
    for number in 0..2_000u64 {
        let group = GroupId(operation(number).0);
        world.create(group, number).expect("created");
        assert!(world.ask(submission(group, 0, number, "text")).is_ok());
        if number % 100 == 99 {
            world.now = world.now.plus(Timestamp::DAY);
            world.tick();
            world.tick();
        }
    }
    world.ask(Command::Drain).expect("drained");
    let weight = world.core.views.weight();
    assert!(weight < 10_000, "{weight} bytes of views after a budget of 2,000");
    let first = GroupId(operation(0).0);
    assert!(world.ask(submission(first, 0, 5_000, "text")).is_ok());
    world.restart();
    let weight = world.core.views.weight();
    assert!(weight < 10_000, "{weight} bytes of views after opening");
}
