//! The state of a case, driven by scripts: people who say things at invented times.

mod alerts;
mod document;
mod fixture;
mod handovers;
mod plans;
mod random;
mod table;
mod tasks;
mod turning;
mod waiting;

use kring_protocol::address::ProfessionalAddress;
use kring_protocol::ids::{DeviceId, Epoch, GroupId, Seq, Timestamp};

use super::*;

/// The script's first moment: 2026-03-01T00:00:00Z.
pub(super) const START: Timestamp = Timestamp(1_772_323_200_000);
pub(super) const MINUTE: u64 = 60 * Timestamp::SECOND;

pub(super) fn who(name: &str) -> ProfessionalAddress {
    ProfessionalAddress::new(name, "zorg.example").unwrap()
}

pub(super) fn item(number: u8) -> ItemId {
    ItemId([number; 16])
}

/// Everybody of the scripts, with role and function.
const CAST: &[(&str, Role, &str)] = &[
    ("cora", Role::Coordinator, "veilig-thuis"),
    ("dirk", Role::Deputy, "police"),
    ("mees", Role::Member, "youth-care"),
    ("olga", Role::Observer, "district-team"),
    ("pim", Role::Member, "police"),
];

/// A case with its cast, and what its log says.
#[derive(Clone)]
pub(super) struct Script {
    pub(super) state: CaseState,
    pub(super) log: Vec<LogEntry>,
    next: u8,
    epoch: u64,
    absent: Vec<&'static str>,
    /// What the members have agreed on about who answers for the family.
    pub(super) duties: Duties,
    /// Who makes the next change of the group.
    by: ProfessionalAddress,
}

impl Script {
    pub(super) fn new() -> Self {
        let (duties, by) = (Duties::of(who("cora")), who("cora"));
        let state = CaseState::new();
        let mut script = Self { state, log: Vec::new(), next: 0, epoch: 0, absent: Vec::new(), duties, by };
        script.change();
        script
    }

    fn enter(&mut self, entry: LogEntry) -> Applied {
        self.log.push(entry.clone());
        self.state.apply(&entry)
    }

    fn change(&mut self) {
        self.epoch += 1;
        let there = CAST.iter().filter(|(name, _, _)| !self.absent.contains(name));
        let people = there
            .map(|(name, role, function)| Person {
                professional: who(name),
                role: *role,
                present: Some(Present {
                    name: (*name).to_owned(),
                    organisation: "Zorg".to_owned(),
                    function: (*function).to_owned(),
                }),
            })
            .collect();
        let (group, epoch) = (GroupId([1; 16]), Epoch(self.epoch));
        let change = Change {
            group,
            epoch,
            seq: Seq(self.epoch),
            by: Some(self.by.clone()),
            people,
            duties: self.duties.clone(),
        };
        self.enter(LogEntry::Changed(change));
    }

    /// Somebody takes a step of the duties, if every member lets them.
    pub(super) fn takes(&mut self, name: &str, step: &DutyStep) -> Result<(), DutyRefused> {
        let mut roles: Vec<_> = CAST.iter().filter(|(name, _, _)| !self.absent.contains(name)).collect();
        roles.sort();
        let roles: Vec<_> = roles.into_iter().map(|(name, role, _)| (who(name), *role)).collect();
        self.duties = self.duties.after(step, &who(name), &Seated { roles: &roles, present: &|_| true })?;
        self.by = who(name);
        self.change();
        self.by = who("cora");
        Ok(())
    }

    /// Somebody leaves the case.
    pub(super) fn leaves(&mut self, name: &'static str) {
        self.absent.push(name);
        self.duties = self.duties.without(&who(name), Some(&who("cora")));
        self.change();
    }

    pub(super) fn author(name: &str) -> Author {
        let function =
            CAST.iter().find(|(known, _, _)| *known == name).map_or("dentist", |(_, _, function)| *function);
        Author {
            professional: who(name),
            device: DeviceId([1; 16]),
            name: name.to_owned(),
            organisation: "Zorg".to_owned(),
            function: function.to_owned(),
        }
    }

    /// Somebody says something, so many minutes after the start; the identifier under which, and what became of it.
    pub(super) fn says(&mut self, name: &str, minutes: u64, statement: Statement) -> (ItemId, Verdict) {
        self.next += 1;
        let id = item(self.next);
        (id, self.says_as(id, name, minutes, statement))
    }

    pub(super) fn says_as(&mut self, id: ItemId, name: &str, minutes: u64, statement: Statement) -> Verdict {
        // As it crosses the group: through its bytes.
        let read = Statement::decode(statement.media_type(), &statement.encode()).expect("comes back");
        assert!(read == statement, "comes back as it was said");
        let hash = read.hash();
        let said = Said {
            item: id,
            author: Self::author(name),
            sent_at: START.plus(minutes * MINUTE),
            replaces: None,
            body: Body::Statement(Box::new(read)),
            hash,
        };
        self.enter(LogEntry::Said(said)).verdict
    }

    /// As [`Self::says`], of what has to count.
    pub(super) fn must(&mut self, name: &str, minutes: u64, statement: Statement) -> ItemId {
        let (id, verdict) = self.says(name, minutes, statement);
        assert_eq!(verdict, Verdict::Legal);
        id
    }

    /// The state made anew from the log, through its bytes at every step.
    pub(super) fn again(&self) -> CaseState {
        let mut state = CaseState::new();
        for entry in &self.log {
            let bytes = kring_protocol::frame::encode_body(&state);
            state = kring_protocol::frame::decode(&bytes).expect("a state comes back from its bytes");
            state.apply(entry);
        }
        state
    }
}

/// What everybody may say, of one kind each: the state is the same, byte for byte, however it was come by.
#[test]
fn the_same_log_gives_the_same_bytes_with_a_checkpoint_after_every_entry() {
    let mut script = Script::new();
    let alert = script.must("dirk", 0, alerts::raise(30));
    script.must("mees", 3, tasks::create("huisbezoek", Some("pim"), Some(START.plus(MINUTE))));
    script.must("olga", 31, alerts::step(alert, 0, 1));
    script.says("mees", 32, alerts::step(alert, 0, 1));
    let plan = script.must("cora", 40, plans::draft(&[], plans::content("de deur blijft open")));
    script.must("cora", 41, plans::propose(&script.state.clone(), plan, &["police", "veilig-thuis"]));
    script.leaves("pim");
    assert!(script.again() == script.state);
    assert_eq!(script.again().hash().to_hex(), script.state.hash().to_hex());
}

#[test]
fn what_this_program_does_not_know_changes_nothing_and_is_shown_as_such() {
    let mut script = Script::new();
    let before = script.state.clone();
    let newer = cbor(&(2u64, "whatever comes"));
    let other_kind = cbor(&(1u64, std::collections::BTreeMap::from([("sing", 1u64)])));
    for (media_type, content) in [
        ("application/vnd.kring.alert+cbor", newer),
        ("application/vnd.kring.task+cbor", other_kind),
        ("application/vnd.kring.weather+cbor", vec![0x80]),
        ("application/vnd.kring.plan+cbor", vec![0xff; 40]),
    ] {
        assert!(Statement::decode(media_type, &content).is_none());
        let hash = ContentHash::of(&content);
        let said = Said {
            hash,
            item: item(99),
            author: Script::author("cora"),
            sent_at: START,
            replaces: None,
            body: Body::Unknown { media_type: Some(media_type.to_owned()), content },
        };
        assert_eq!(script.state.apply(&LogEntry::Said(said)).verdict, Verdict::Unknown);
    }
    assert!(script.state == before);
}

#[test]
fn fields_that_a_later_version_adds_are_ignored() {
    use std::collections::BTreeMap;
    let fields = BTreeMap::from([("task", item(3)), ("mood", item(4))]);
    let content = cbor(&(1u64, BTreeMap::from([("accept", fields)]), "and more"));
    // The outer list has the form of its version and no more; inside, what is not known is passed over.
    assert!(Statement::decode("application/vnd.kring.task+cbor", &content).is_none());
    let fields = BTreeMap::from([("task", item(3)), ("mood", item(4))]);
    let content = cbor(&(1u64, BTreeMap::from([("accept", fields)])));
    let read = Statement::decode("application/vnd.kring.task+cbor", &content);
    assert!(read == Some(Statement::Task(task::TaskSays::Accept { task: item(3) })));
}

fn cbor<T: serde::Serialize>(value: &T) -> Vec<u8> {
    kring_protocol::frame::encode_body(value)
}

#[test]
fn who_has_no_role_changes_nothing_and_a_statement_is_never_edited() {
    let mut script = Script::new();
    let (_, verdict) = script.says("stranger", 0, tasks::create("x", None, None));
    assert_eq!(verdict, Verdict::Refused(Refused::Role));
    let said = Said {
        item: item(50),
        author: Script::author("cora"),
        sent_at: START,
        replaces: Some(item(1)),
        body: Body::Statement(Box::new(tasks::create("x", None, None))),
        hash: ContentHash::of(b"x"),
    };
    assert_eq!(script.state.apply(&LogEntry::Said(said)).verdict, Verdict::Refused(Refused::Replaced));
}

#[test]
fn a_snapshot_comes_back_from_its_parts_and_from_nothing_else() {
    let mut script = Script::new();
    for number in 0..40 {
        script.must("cora", number, tasks::create(&"x".repeat(500), None, None));
        script.must("cora", number, tasks::create_with("taak", &"y".repeat(16_000)));
    }
    let parts = SnapshotSays::of(&script.state, GroupId([1; 16]), Seq(7));
    assert!(parts.len() > 2, "{}", parts.len());
    let mut backwards = parts.clone();
    backwards.reverse();
    assert!(snapshot::assemble(&backwards) == Some(script.state.clone()));
    assert!(snapshot::assemble(&parts[1..]).is_none());
    let mut changed = parts;
    changed[1].bytes[9] ^= 1;
    assert!(snapshot::assemble(&changed).is_none());
}
