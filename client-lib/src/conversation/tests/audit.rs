//! The audit log: what is in it, that it lies in one transaction with what it records, and that no link can be changed.

use super::harness::{World, who};
use crate::audit::archive::Format;
use crate::audit::{Activity, Broken, Chain, Entry, Fault, Note, Outcome};
use crate::case::{ItemDraft, ItemId, Role};
use crate::conversation::{Command, Conversation, Input, StepError};

fn log(core: &Conversation) -> Vec<Entry> {
    core.audit(0, 10_000).unwrap()
}

fn kinds(core: &Conversation) -> Vec<(Activity, Outcome)> {
    log(core).iter().map(|entry| (entry.activity().unwrap(), entry.outcome().unwrap())).collect()
}

fn count(core: &Conversation, activity: Activity, outcome: Outcome) -> usize {
    kinds(core).iter().filter(|kind| **kind == (activity, outcome)).count()
}

/// Something is said about a child, for a purpose.
fn say_about(world: &mut World, index: usize) -> ItemId {
    let (case, item) = (world.case, ItemId::random());
    let draft = ItemDraft {
        about: vec!["kind-2".to_owned()],
        purpose: Some("veiligheidsplan".to_owned()),
        ..ItemDraft::markdown("vertrouwelijk")
    };
    world.command(index, Command::Send { case, item, draft });
    item
}

/// Runs SQL against a device's log, as somebody who has the passphrase could.
fn tamper(world: &mut World, sql: &str) {
    let core = world.devices[0].core.as_mut().unwrap();
    let step = core.store.begin().unwrap();
    step.execute_batch(sql).unwrap();
    step.commit().unwrap();
}

fn verdict(world: &World) -> Result<u64, Broken> {
    world.core(0).verify_audit().unwrap().map(|chain| chain.entries())
}

#[test]
fn an_entry_says_who_what_about_whom_why_and_in_which_role() {
    let mut world = World::together(&["anne", "bert"]);
    let item = say_about(&mut world, 0);
    world.settle();
    let log = log(world.core(0));
    let entry = log.iter().find(|entry| entry.activity() == Some(Activity::ItemWritten)).unwrap();
    let details = entry.details().unwrap();
    assert_eq!(details.who.device, world.core(0).address().to_uri());
    assert_eq!((details.who.name.as_str(), details.who.organisation.as_str()), ("anne", "Zorg"));
    assert_eq!((details.who.function.as_str(), details.who.role), ("youth-care", Some(Role::Coordinator.number())));
    assert_eq!(
        (details.about.as_slice(), details.purpose.as_deref()),
        (&["kind-2".to_owned()][..], Some("veiligheidsplan"))
    );
    assert_eq!(
        (details.item, details.case, details.kind.as_deref()),
        (Some(item), Some(world.case), Some("text/markdown"))
    );
    assert_eq!((entry.at(), entry.outcome()), (world.now, Some(Outcome::Done)));
    assert_eq!(verdict(&world).unwrap(), log.len() as u64);
}

#[test]
fn changes_that_others_make_are_recorded_as_theirs() {
    let mut world = World::together(&["anne", "bert", "cees"]);
    let case = world.case;
    world.command(0, Command::SetRole { case, professional: who("bert"), role: Role::Deputy });
    world.settle();
    let log = log(world.core(2));
    let changed = log.iter().find(|entry| entry.activity() == Some(Activity::RoleChanged)).unwrap();
    let details = changed.details().unwrap();
    assert_eq!(details.who.device, world.core(0).address().to_uri());
    assert_eq!(details.concerns.as_deref(), Some("bert@zorg.example"));
    assert_eq!(details.recorded_on, world.core(2).address().to_uri());
    assert_eq!(count(world.core(2), Activity::CaseJoined, Outcome::Done), 1);
}

#[test]
fn a_refused_attempt_is_recorded_and_changes_nothing_else() {
    let mut world = World::together(&["anne", "bert"]);
    let (case, now) = (world.case, world.now);
    let before = world.core(1).case(case).unwrap().unwrap();
    let core = world.devices[1].core.as_mut().unwrap();
    let refused = core.handle(Input::Command(Command::Remove { case, professional: who("anne"), device: None }), now);
    assert!(matches!(refused, Err(StepError::Command(_))));
    let last = log(core).pop().unwrap();
    assert_eq!((last.activity(), last.outcome()), (Some(Activity::MemberRemoved), Some(Outcome::Refused)));
    let details = last.details().unwrap();
    assert_eq!((details.reason.as_deref(), details.concerns.as_deref()), (Some("Role"), Some("anne@zorg.example")));
    assert_eq!(world.core(1).case(case).unwrap().unwrap(), before);
}

#[test]
fn what_is_done_and_its_entry_are_stored_together_or_not_at_all() {
    let mut world = World::together(&["anne"]);
    let (case, now) = (world.case, world.now);
    let mut stored = false;
    for writes in 0.. {
        let core = world.devices[0].core.as_mut().unwrap();
        let (entries, queued) = (log(core).len(), core.case(case).unwrap().unwrap().queued);
        core.fail_after_writes(Some(writes));
        let item = ItemId::random();
        let said = core.handle(Input::Command(Command::Send { case, item, draft: ItemDraft::markdown("x") }), now);
        core.fail_after_writes(None);
        let (more, queued_now) = (log(core).len() - entries, core.case(case).unwrap().unwrap().queued);
        assert_eq!(more, usize::from(said.is_ok()), "after {writes} writes");
        assert_eq!(queued_now > queued, said.is_ok(), "after {writes} writes");
        if said.is_ok() {
            stored = true;
            break;
        }
    }
    assert!(stored);
    assert!(verdict(&world).is_ok());
}

#[test]
fn what_the_application_showed_or_exported_is_recorded() {
    let mut world = World::together(&["anne"]);
    let note = Note::done(Activity::Viewed).in_case(world.case).of("timeline").counting(12);
    world.command(0, Command::Record(Box::new(note)));
    let last = log(world.core(0)).pop().unwrap();
    assert_eq!(last.activity(), Some(Activity::Viewed));
    assert_eq!(last.details().unwrap().count, Some(12));
}

#[test]
fn a_changed_removed_or_moved_entry_is_named() {
    let world = || {
        let mut world = World::together(&["anne"]);
        for _ in 0..6 {
            say_about(&mut world, 0);
        }
        assert!(verdict(&world).unwrap() >= 7);
        world
    };
    let swap = "UPDATE audit SET number = 1000 WHERE number = 4; UPDATE audit SET number = 4 WHERE number = 5;
        UPDATE audit SET number = 5 WHERE number = 1000;";
    let copied = "UPDATE audit SET head = (SELECT head FROM audit WHERE number = 3),
        signature = (SELECT signature FROM audit WHERE number = 3),
        details = (SELECT details FROM audit WHERE number = 3) WHERE number = 4;";
    for (sql, number, fault) in [
        ("UPDATE audit SET head = substr(head, 1, 100) || x'00' || substr(head, 102) WHERE number = 4;", 4, None),
        ("UPDATE audit SET signature = zeroblob(64) WHERE number = 4;", 4, Some(Fault::Changed)),
        ("DELETE FROM audit WHERE number = 4;", 4, Some(Fault::Missing { found: 5 })),
        (swap, 4, Some(Fault::Missing { found: 5 })),
        (copied, 4, Some(Fault::Repeated { found: 3 })),
        (
            "UPDATE audit SET details = (SELECT details FROM audit WHERE number = 3) WHERE number = 4;",
            4,
            Some(Fault::DetailsChanged),
        ),
        ("UPDATE audit SET head = x'00' WHERE number = 4;", 4, Some(Fault::Unreadable)),
    ] {
        let mut world = world();
        tamper(&mut world, sql);
        let broken = verdict(&world).unwrap_err();
        assert_eq!(broken.number, number, "{sql}");
        assert!(fault.is_none_or(|fault| fault == broken.fault), "{sql}: {broken}");
    }
    let mut world = world();
    let last = verdict(&world).unwrap();
    tamper(&mut world, &format!("DELETE FROM audit WHERE number = {last};"));
    assert_eq!(verdict(&world), Err(Broken { number: last, fault: Fault::CutOff }));
}

#[test]
fn a_log_of_another_device_does_not_pass_for_this_ones() {
    let mut world = World::together(&["anne", "bert"]);
    say_about(&mut world, 0);
    let foreign = log(world.core(1));
    let own = crate::audit::key_of_certificate(world.certificate(0)).unwrap();
    let mut chain = Chain::new(vec![own]);
    assert_eq!(chain.next(&foreign[0]).unwrap_err().fault, Fault::ForeignKey);
    let mut chain = Chain::new(vec![own]);
    log(world.core(0)).iter().for_each(|entry| chain.next(entry).unwrap());
}

#[test]
fn after_an_erase_the_chain_holds_and_says_nothing_of_the_case_in_the_clear() {
    let mut world = World::together(&["anne"]);
    let item = say_about(&mut world, 0);
    let case = world.case;
    let before = log(world.core(0)).len();
    let step = world.devices[0].core.as_mut().unwrap().store.begin().unwrap();
    step.forget_audit_details(case).unwrap();
    step.commit().unwrap();
    let log = log(world.core(0));
    assert_eq!((verdict(&world).unwrap(), log.len()), (before as u64, before));
    let pseudonymised = world.core(0).verify_audit().unwrap().unwrap().pseudonymised();
    assert!(pseudonymised >= 2, "opened, written");
    let written = log.iter().find(|entry| entry.activity() == Some(Activity::ItemWritten)).unwrap();
    assert!(written.details().is_none() && written.case_pseudonym().is_some());
    let line = Format::Ndjson.line(written);
    for secret in [case.to_hex(), item.to_hex(), "kind-2".to_owned(), "veiligheidsplan".to_owned(), "anne".to_owned()]
    {
        assert!(!line.contains(&secret), "{line}");
    }
    // Two entries of the case can still be told to be about the same one.
    let opened = log.iter().find(|entry| entry.activity() == Some(Activity::CaseOpened)).unwrap();
    assert_eq!(opened.case_pseudonym(), written.case_pseudonym());
}

#[test]
fn an_archive_can_be_checked_without_the_device_and_every_change_shows() {
    let mut world = World::together(&["anne"]);
    for _ in 0..3 {
        say_about(&mut world, 0);
    }
    let key = crate::audit::key_of_certificate(world.certificate(0)).unwrap();
    let entries = log(world.core(0));
    for format in [Format::Ndjson, Format::Csv] {
        let archive: String =
            [format.beginning()].into_iter().chain(entries.iter().map(|entry| format.line(entry))).collect();
        let whole = format.verify(&archive, vec![key]).unwrap();
        assert_eq!(whole.entries(), entries.len() as u64);
        let (length, last) = format.end(&archive);
        assert_eq!((length, last.as_ref()), (archive.len(), entries.last()));
        let cut = &archive[..archive.len() - 5];
        let (length, last) = format.end(cut);
        assert!(length < cut.len() && last.unwrap().is_same_link(&entries[entries.len() - 2]));

        let lies = archive.replacen("kind-2", "kind-1", 1);
        assert_eq!(
            format.verify(&lies, vec![key]).unwrap_err().fault,
            Fault::Unreadable,
            "the clear text is checked"
        );
        let mut lines: Vec<&str> = archive.lines().collect();
        let (at, header) = (lines.len() - 2, usize::from(format == Format::Csv));
        lines.remove(at);
        let broken = format.verify(&lines.join("\n"), vec![key]).unwrap_err();
        assert_eq!(broken.number, (at - header + 1) as u64);
        assert!(matches!(broken.fault, Fault::Missing { .. }));
        assert_eq!(format.verify(&archive, vec![[0; 32]]).unwrap_err().fault, Fault::ForeignKey);
    }
}
