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
