//! How long it takes from an administrator's command until somebody who leaves is cut off, and is out of their case: the
//! tool, the relay and every device a process of its own.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Place, Running};

/// From the command's return to the cut.
const CUT: Duration = Duration::from_secs(1);
/// From the command's return until a case with a member online is without the leaver.
const OUT: Duration = Duration::from_secs(5);
/// For how long an event is waited for before it counts as lost.
const LOST: Duration = Duration::from_secs(60);

/// Somebody who follows the case; each line comes with the moment at which it was printed.
struct Follower {
    lines: Receiver<(Instant, Value)>,
    _process: Running,
}

impl Follower {
    fn new(place: &Place, profile: &str) -> Self {
        let mut follow = place.kring(&["--profile", profile, "--json", "follow", "fam"]);
        let mut process = Running(follow.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("starts"));
        let out = BufReader::new(process.0.stdout.take().expect("piped"));
        let (send, lines) = channel();
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                let line = serde_json::from_str(&line).expect("JSON");
                if send.send((now(), line)).is_err() {
                    break;
                }
            }
        });
        Self { lines, _process: process }
    }

    /// When an event was printed, and what it says.
    fn event(&self, name: &str) -> (Instant, String) {
        loop {
            let (at, line) = self.lines.recv_timeout(LOST).unwrap_or_else(|_| panic!("{name} is not told"));
            if line["event"] == name {
                return (at, line["message"].as_str().expect("text").to_owned());
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "measures how long it takes")]
fn now() -> Instant {
    Instant::now()
}

#[test]
fn a_leaver_is_cut_off_within_a_second_of_the_command_and_out_of_the_case_within_five() {
    let place = Place::new();
    place.certificates();
    let (_relay, address) = place.relay();
    place.run(&["admin", "relay", "use", &address]).ok();
    let laptop = ["bo@opvang.example", "--name", "Bo de Vries", "--function", "shelter", "--label", "laptop"];
    place.run(&[&["admin", "device", "new"][..], &laptop].concat()).ok();
    place.profiles(&address);
    let device = "kring-admin/devices/opvang.example/bo+laptop";
    place.run(&["--profile", "laptop", "setup", "--device", device, "--relay", &address]).ok();
    place.run(&["--profile", "laptop", "status"]).ok();
    place.run(&["--profile", "anne", "case", "new", "Familie Voorbeeld"]).ok();
    place.run(&["--profile", "anne", "case", "add", "fam", "bo@opvang.example"]).ok();
    for profile in ["bo", "laptop"] {
        place.run(&["--profile", profile, "status"]).ok();
    }
    let (anne, leavers) = (Follower::new(&place, "anne"), ["bo", "laptop"].map(|name| Follower::new(&place, name)));
    for follower in leavers.iter().chain([&anne]) {
        follower.event("connected");
    }

    let begun = now();
    let revoked = place.run(&["admin", "revoke", "bo@opvang.example", "--reason", "left", "--json"]).ok();
    let returned = now();
    assert_eq!(revoked.json().iter().filter(|line| line["type"] == "revoked").count(), 2);
    let cut_at = leavers.each_ref().map(|leaver| leaver.event("disconnected").0);
    let cut = cut_at.map(|at| at.saturating_duration_since(returned));
    let (at, message) = anne.event("members_changed");
    assert_eq!(message.matches("Bo de Vries").count(), 2, "both devices in one change: {message}");
    let out = at.saturating_duration_since(returned);
    println!("`kring admin revoke` took {:?}", returned - begun);
    let (since, out_since) = (cut_at.map(|at| at - begun), at - begun);
    println!("the leaver's devices were cut off {since:?} after its start, {cut:?} after its return (0: before)");
    println!("the case was without the leaver {out_since:?} after its start, {out:?} after its return (0: before)");
    assert!(cut.iter().all(|cut| *cut < CUT) && out < OUT);
    assert!(anne.event("taken_out").1.contains("cannot be called back"));
    for (leaver, profile) in leavers.into_iter().zip(["bo", "laptop"]) {
        drop(leaver);
        let status = place.run(&["--profile", profile, "status", "--wait", "5"]);
        assert!(status.code == 3 && status.err.contains("revoked"), "{status:?}");
    }
}

#[test]
fn commands_that_take_a_moment_show_the_leaver_and_take_them_out() {
    let place = Place::new();
    place.certificates();
    let (_relay, address) = place.relay();
    place.run(&["admin", "relay", "use", &address]).ok();
    let carla = ["carla@politie.example", "--name", "Carla Smit", "--function", "police"];
    place.run(&[&["admin", "device", "new"][..], &carla].concat()).ok();
    place.profiles(&address);
    let device = "kring-admin/devices/politie.example/carla";
    place.run(&["--profile", "carla", "setup", "--device", device, "--relay", &address]).ok();
    place.run(&["--profile", "carla", "status"]).ok();
    for title in ["Familie Een", "Familie Twee"] {
        place.run(&["--profile", "anne", "case", "new", title]).ok();
        for who in ["carla@politie.example", "bo@opvang.example"] {
            place.run(&["--profile", "anne", "case", "add", title, who]).ok();
        }
    }
    let show =
        |more: &[&str]| place.run(&[&["--profile", "carla", "case", "show", "familie een"], more].concat()).ok();
    let is_revoked = |shown: &[Value], who: &str| {
        let member = shown.iter().find(|line| line["type"] == "member" && line["address"] == who);
        member.map(|line| line["revoked"].as_bool().expect("a mark"))
    };
    let before = show(&["--json"]);
    assert_eq!(is_revoked(&before.json(), "bo@opvang.example"), Some(false), "{before:?}");
    assert!(before.err.is_empty(), "{before:?}");
    place.run(&["admin", "revoke", "bo@opvang.example", "--reason", "left"]).ok();

    // Anne's device, whose turn would come first, is not there.
    let shown = show(&["--json"]);
    assert_eq!(is_revoked(&shown.json(), "bo@opvang.example"), Some(true), "{shown:?}");
    assert_eq!(is_revoked(&shown.json(), "carla@politie.example"), Some(false));
    let warned: Vec<Value> = shown.err.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let taken_out = |line: &&Value| line["event"] == "taken_out" && line["case"].is_string();
    assert_eq!(warned.iter().filter(taken_out).count(), 2, "{shown:?}");
    assert_eq!(warned.len(), 2, "who is out is not told to be in: {shown:?}");
    let after = show(&["--json"]);
    assert_eq!(is_revoked(&after.json(), "bo@opvang.example"), None, "{after:?}");
    assert!(after.err.is_empty(), "{after:?}");
    let anne = place.run(&["--profile", "anne", "status"]).ok();
    let line = "warning (2 cases): bo@opvang.example left the organisation or was revoked, and carla@politie.example";
    assert_eq!((anne.err.matches(line).count(), anne.err.lines().count()), (1, 1), "{anne:?}");
}

#[test]
fn who_cannot_take_a_leaver_out_is_told_of_them_by_every_command() {
    let place = Place::new();
    place.certificates();
    let (relay, address) = place.relay();
    place.run(&["admin", "relay", "use", &address]).ok();
    place.profiles(&address);
    place.run(&["--profile", "anne", "case", "new", "Familie Voorbeeld"]).ok();
    place.run(&["--profile", "anne", "case", "add", "fam", "bo@opvang.example", "--role", "observer"]).ok();
    place.run(&["--profile", "bo", "case", "leave", "fam", "--wait", "1"]);
    place.run(&["admin", "revoke", "anne@politie.example", "--reason", "lost"]).ok();
    let status = place.run(&["--profile", "bo", "status", "--wait", "2"]);
    assert!(status.err.contains("anne@politie.example: revoked and still in the case"), "{status:?}");
    drop(relay);
    // Without a relay nobody is taken out, and what is known is said all the same.
    let list = place.run(&["--profile", "bo", "--offline", "case", "list"]).ok();
    assert!(list.err.contains("anne@politie.example: revoked and still in the case"), "{list:?}");
    let shown = place.run(&["--profile", "bo", "--offline", "--lang", "nl", "case", "show", "fam"]).ok();
    assert!(shown.out.contains("(ingetrokken, nog niet eruit)"), "{shown:?}");
    let mut follow = place.kring(&["--profile", "bo", "--offline", "follow", "fam"]);
    let mut following = Running(follow.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("starts"));
    let told = BufReader::new(following.0.stderr.take().expect("piped")).lines().map_while(Result::ok);
    let warned =
        told.take_while(|line| !line.starts_with("Following")).any(|line| line.contains("revoked and still in"));
    assert!(warned, "and by one that goes on");
    drop(following);
    let numbers = place.run(&["--profile", "bo", "--offline", "case", "verify", "fam"]).ok();
    assert!(numbers.out.contains("(revoked, not out yet)"), "{numbers:?}");
}
