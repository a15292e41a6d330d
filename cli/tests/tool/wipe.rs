//! `kring wipe`: the keys go at once, the files after them, and a wipe that was killed goes on at the next start.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::support::{Place, Running};

/// What the issue of a wipe promises: the keys are gone so long after the command at the latest.
const AT_ONCE: Duration = Duration::from_millis(200);

/// Waits until the key's file is no longer what it was.
fn destroyed(key: &Path, before: &[u8]) {
    while std::fs::read(key).is_ok_and(|now| now == before) {
        std::thread::yield_now();
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "measures how long it takes")]
fn the_keys_are_destroyed_within_a_fifth_of_a_second_of_the_command_and_nothing_is_left() {
    // The best of three: what is measured is the program, not what else this machine does.
    let mut best = Duration::MAX;
    for _ in 0..3 {
        let place = Place::new();
        place.profile_without_a_relay();
        let key = place.path().join("anne/store/store.key");
        let before = std::fs::read(&key).expect("there");
        let begun = Instant::now();
        let mut wipe = place.kring(&["--profile", "anne", "wipe", "--now"]);
        let mut wipe =
            Running(wipe.env_remove("KRING_PASSPHRASE_FILE").stdout(Stdio::null()).spawn().expect("starts"));
        destroyed(&key, &before);
        best = best.min(begun.elapsed());
        assert!(wipe.0.wait().expect("ends").success());
        assert!(!place.path().join("anne").exists());
        assert_eq!(place.run(&["--profile", "anne", "status"]).code, 1);
    }
    assert!(best < AT_ONCE, "{best:?}");
}

#[test]
fn a_wipe_that_is_killed_goes_on_at_the_next_start_and_opens_for_nobody_meanwhile() {
    let place = Place::new();
    place.profile_without_a_relay();
    let profile = place.path().join("anne");
    let key = profile.join("store/store.key");
    let before = std::fs::read(&key).expect("there");
    // So many files that there is time to kill it among them.
    std::fs::create_dir(profile.join("drafts")).expect("made");
    for number in 0..20_000 {
        std::fs::write(profile.join(format!("drafts/{number}")), "half a sentence").expect("written");
    }
    let mut wipe = place.kring(&["--profile", "anne", "wipe", "--now"]);
    let mut wipe = Running(wipe.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("starts"));
    destroyed(&key, &before);
    wipe.0.kill().expect("killed");
    wipe.0.wait().expect("ends");
    assert!(profile.join("store/store.key").exists(), "killed before it came to the end");

    // A copy that somebody takes now opens for nobody, not even with the passphrase.
    let copy = place.path().join("copy");
    let copied = std::process::Command::new("cp").args(["-r", "anne", "copy"]).current_dir(place.path()).status();
    assert!(copied.expect("runs").success());
    let next = place.run(&["--profile", "copy", "status", "--json"]);
    assert_eq!(next.code, 1, "{next:?}");
    assert!(next.err.contains("wiped"), "{next:?}");
    assert!(!copy.exists(), "the next start went on with it");

    assert_eq!(place.run(&["--profile", "anne", "case", "list", "--offline"]).code, 1);
    assert!(!profile.exists());
    assert_eq!(place.run(&["--profile", "anne", "wipe", "--now"]).code, 1, "there is nothing left to wipe");
}

#[test]
fn without_a_terminal_nothing_is_wiped_unless_it_is_said_outright() {
    let place = Place::new();
    place.profile_without_a_relay();
    assert_eq!(place.run(&["--profile", "anne", "wipe"]).code, 2);
    place.run(&["--profile", "anne", "--offline", "case", "list"]).ok();
    std::fs::write(place.path().join("precious"), "stays").expect("written");
    assert_eq!(place.run(&["--profile", ".", "wipe", "--now"]).code, 1, "no profile");
    assert!(place.path().join("precious").exists() && place.path().join("anne").exists());
}

#[test]
fn a_damaged_store_says_in_one_line_what_to_do_and_can_be_wiped_and_set_up_again() {
    let damages: [fn(&mut Vec<u8>); 3] = [
        |bytes| bytes.iter_mut().take(40_000).for_each(|byte| *byte ^= 0x5a),
        |bytes| bytes.truncate(90_000),
        |bytes| bytes[3 * 4_096..].iter_mut().take(80_000).for_each(|byte| *byte = 0),
    ];
    let place = Place::new();
    place.profile_without_a_relay();
    assert_eq!(place.run(&["--profile", "anne", "--offline", "case", "new", "Gezin"]).code, 5);
    let store = place.path().join("anne/store/store.db");
    let whole = std::fs::read(&store).expect("there");
    for damage in damages {
        let mut damaged = whole.clone();
        damage(&mut damaged);
        std::fs::write(&store, damaged).expect("written");
        let refused = place.run(&["--profile", "anne", "--offline", "case", "list"]);
        assert_eq!(refused.code, 1, "{refused:?}");
        let lines: Vec<&str> = refused.err.lines().collect();
        assert!(
            matches!(lines[..], [what, todo] if what.contains("damaged") && todo.contains("kring wipe")),
            "nothing but what happened and what to do: {lines:?}"
        );
    }
    place.run(&["--profile", "anne", "wipe", "--now"]).ok();
    let device = "kring-admin/devices/politie.example/anne";
    place.run(&["--profile", "anne", "setup", "--device", device, "--relay", "127.0.0.1:9"]).ok();
    place.run(&["--profile", "anne", "--offline", "case", "list"]).ok();
}
