//! What one item more costs a device whose case has 10,000: from the record as the relay gives it to what the user is told;
//! decrypted, verified, folded into the case's state, and stored in a transaction of its own.
//!
//! `cargo bench --workspace --bench item`, with the folder of the store on a disk after `--` (without: a new one in the
//! folder for temporary files).

use std::path::PathBuf;
use std::time::{Duration, Instant};

use kring_client::case::{ItemDraft, ItemId, Statement, task::TaskSays};
use kring_client::conversation::{Action, Command, Event, Input};
use kring_client::store::{Store, Unlock};
use kring_protocol::ids::Timestamp;
use kring_tests::simulation::recorded::open_as;
use kring_tests::simulation::scenario::Scenario;
use zeroize::Zeroizing;

/// Members of the case.
const MEMBERS: usize = 8;
/// Items before those that are measured.
const ITEMS: usize = 10_000;
/// Items that are measured.
const MEASURED: usize = 500;
/// Items that a device has under way at once while the case fills.
const TOGETHER: usize = 64;
/// Messages for each that is a task: tasks stay open, and with them the state grows.
const TALK: usize = 100;
/// Who says everything.
const SENDER: usize = 0;
/// Who is measured.
const READER: usize = 1;

fn main() {
    let folder = std::env::args().skip(1).find(|argument| !argument.starts_with('-')).map(PathBuf::from);
    let folder = folder.map_or_else(tempfile::tempdir, tempfile::tempdir_in).expect("a folder for the store");

    let mut story = Scenario::together(MEMBERS);
    for device in READER + 1..MEMBERS {
        story.go_offline(device);
    }
    for from in (0..ITEMS).step_by(TOGETHER) {
        (from..(from + TOGETHER).min(ITEMS)).for_each(|number| say(&mut story, number));
        story.pass(10);
    }
    assert_eq!(story.items(READER).len(), ITEMS, "the case is full");

    let in_memory = story.back_up(READER);
    let unlock = Unlock::Key(Zeroizing::new([7; 32]));
    let on_disk = Store::create(folder.path(), &unlock).expect("a new store");
    let on_disk = story.back_up_to(READER, on_disk);
    story.record(READER);
    for number in ITEMS..ITEMS + MEASURED {
        say(&mut story, number);
        story.pass(10);
    }
    let inputs = story.recorded();
    println!("a case of {MEMBERS} members and {ITEMS} items; {MEASURED} items more, each by itself:");
    for (place, store) in [("in memory", in_memory), ("encrypted, on the disk", on_disk)] {
        let [median, slow] = apply(store, &inputs);
        println!("{place}: p50 {:.3} ms, p99 {:.3} ms", median.as_secs_f64() * 1e3, slow.as_secs_f64() * 1e3);
    }
}

fn say(story: &mut Scenario, number: usize) {
    let draft = if number.is_multiple_of(TALK) {
        let (title, text) = (format!("taak {number}"), "wat er moet gebeuren, in een regel".to_owned());
        Statement::Task(TaskSays::Create { title, text, owner: None, due: None }).draft()
    } else {
        ItemDraft::markdown(format!("bericht {number}: morgen om tien uur, en neem de papieren mee"))
    };
    let case = story.case();
    assert!(story.command(SENDER, Command::Send { case, item: ItemId::random(), draft }), "it is taken");
}

/// Gives a device what came, and tells how long it took for each item: half of them at most, and all but one in a hundred.
#[expect(clippy::disallowed_methods, reason = "it measures")]
fn apply(store: Store, inputs: &[(Input, Timestamp)]) -> [Duration; 2] {
    let mut core = open_as(READER, store, inputs[0].1);
    let mut times = Vec::with_capacity(MEASURED);
    for (input, now) in inputs.iter().cloned() {
        let begun = Instant::now();
        let actions = core.handle(input, now).expect("it is taken");
        let took = begun.elapsed();
        if actions.iter().any(|action| matches!(action, Action::Tell(Event::Item(_)))) {
            times.push(took);
        }
    }
    assert_eq!(times.len(), MEASURED, "every item came by itself");
    times.sort();
    [times[MEASURED / 2], times[MEASURED * 99 / 100]]
}
