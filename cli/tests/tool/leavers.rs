//! How long it takes from an administrator's command until somebody who leaves is cut off, and is out of their cases:
//! the tool, the relay and every device a process of its own.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use kring_client::api::Client;
use kring_client::case::Role;
use kring_client::identity::Profile;
use kring_client::store::Unlock;
use serde_json::Value;
use zeroize::Zeroizing;

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
    fn new(place: &Place, profile: &str, case: &str) -> Self {
        let mut follow = place.kring(&["--profile", profile, "--json", "follow", case]);
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
        let (at, line) = self.line(name, |line| line["event"] == name);
        (at, line["message"].as_str().expect("text").to_owned())
    }

    /// When somebody's words were printed.
    fn says(&self, text: &str) -> Instant {
        self.line(text, |line| line["text"] == text).0
    }

    fn line(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> (Instant, Value) {
        loop {
            let (at, line) = self.lines.recv_timeout(LOST).unwrap_or_else(|_| panic!("{what} is not told"));
            if wanted(&line) {
                return (at, line);
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
    let (anne, leavers) =
        (Follower::new(&place, "anne", "fam"), ["bo", "laptop"].map(|name| Follower::new(&place, name, "fam")));
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

/// Cases of the leaver.
const CASES: usize = 20;
/// Whose profiles there are besides those of the two who leave: the folder of the device, by profile.
const OTHERS: [(&str, &str); 4] = [
    ("anne", "politie.example/anne"),
    ("bert", "politie.example/bert"),
    ("carla", "opvang.example/carla"),
    ("dirk", "opvang.example/dirk"),
];
/// The leaver's profiles.
const LEAVER: [(&str, &str); 2] = [("bo", "opvang.example/bo"), ("laptop", "opvang.example/bo+laptop")];

/// Two organisations, five people and their six profiles, a relay that runs, and twenty cases with everybody in them.
struct Region {
    place: Place,
    relay: Running,
    address: String,
}

impl Region {
    fn new() -> Self {
        let place = Place::new();
        place.certificates();
        let (relay, address) = place.relay();
        place.run(&["admin", "relay", "use", &address]).ok();
        for (whom, name, function, label) in [
            ("bert@politie.example", "Bert Bakker", "police", None),
            ("carla@opvang.example", "Carla Smit", "shelter", None),
            ("dirk@opvang.example", "Dirk Mulder", "shelter", None),
            ("bo@opvang.example", "Bo de Vries", "shelter", Some("laptop")),
        ] {
            let label = label.map(|label| ["--label", label]);
            let words = ["admin", "device", "new", whom, "--name", name, "--function", function];
            place.run(&[&words[..], label.as_ref().map_or(&[][..], |label| &label[..])].concat()).ok();
        }
        let region = Self { place, relay, address };
        let everybody = [&OTHERS[..], &LEAVER[..]].concat();
        at_once(&everybody, |(profile, device)| {
            let device = format!("kring-admin/devices/{device}");
            region.run(profile, &["setup", "--device", &device, "--relay", &region.address]).ok();
            region.run(profile, &["status"]).ok();
        });
        region.open_cases();
        at_once(&everybody[1..], |(profile, _)| {
            region.all_have(profile, 6);
        });
        region
    }

    /// Anne opens the cases and adds everybody. It is not what is tried here, and a process for each of a hundred
    /// commands would take most of the time of the test: so her profile is open once, in this process.
    fn open_cases(&self) {
        let passphrase = std::fs::read_to_string(self.place.path().join("pass")).expect("a passphrase");
        let unlock = Unlock::Passphrase(Zeroizing::new(passphrase.trim_end().to_owned()));
        let profile = Profile::open(&self.place.path().join("anne")).expect("a profile");
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        runtime.expect("a runtime").block_on(async {
            let anne = Client::open(&profile, &unlock).await.expect("a client");
            anne.caught_up().await.expect("a relay");
            for number in 0..CASES {
                let case = anne.new_case(&format!("Familie {number:02}")).await.expect("a case");
                for whom in
                    ["bert@politie.example", "carla@opvang.example", "dirk@opvang.example", "bo@opvang.example"]
                {
                    let pending = case.add(whom.parse().expect("an address"), Role::Member).await.expect("stored");
                    let added = pending.done().await.expect("added");
                    assert!(added.not_added.is_empty(), "{whom}: {:?}", added.not_added);
                }
            }
            anne.close().await;
        });
    }

    /// Runs the tool for a profile.
    fn run(&self, profile: &str, words: &[&str]) -> crate::support::Done {
        self.place.run(&[&["--profile", profile, "--json"], words].concat())
    }

    /// The cases as the tool lists them on this device.
    fn cases(&self, profile: &str, words: &[&str]) -> Vec<Value> {
        self.run(profile, &[words, &["case", "list"]].concat()).ok().json()
    }

    /// Waits until the tool shows so many devices in all cases of a profile, and says when that was.
    fn all_have(&self, profile: &str, devices: u64) -> Instant {
        let begun = now();
        loop {
            let cases = self.cases(profile, &[]);
            let at = now();
            if cases.len() == CASES && cases.iter().all(|case| case["devices"] == devices) {
                return at;
            }
            assert!(at - begun < LOST, "{profile}: {cases:?}");
        }
    }

    /// Kills the relay and starts it again where it was.
    fn restart_relay(&mut self) {
        self.relay.signal("KILL");
        self.relay.0.wait().expect("gone");
        let config = self.place.path().join("kring-admin/relays/127.0.0.1/relay.toml");
        let text = std::fs::read_to_string(&config).expect("a configuration");
        assert!(text.contains("\"127.0.0.1:0\""), "any port: {text}");
        std::fs::write(&config, text.replace("127.0.0.1:0", &self.address)).expect("written");
        std::fs::remove_file(self.place.path().join("ready")).expect("removed");
        let (relay, address) = self.place.relay();
        assert_eq!(address, self.address);
        self.relay = relay;
    }
}

/// Does something for each at the same time.
fn at_once<T: Sync>(each: &[T], work: impl Fn(&T) + Sync) {
    std::thread::scope(|scope| {
        for one in each {
            scope.spawn(|| work(one));
        }
    });
}

#[test]
fn a_leaver_is_out_of_twenty_cases_in_seconds_with_half_of_the_others_offline_and_the_relay_killed_in_between() {
    let mut region = Region::new();
    let epochs = |region: &Region, profile: &str| {
        let cases = region.cases(profile, &["--offline"]);
        cases.iter().map(|case| case["epoch"].as_u64().expect("a number")).collect::<Vec<_>>()
    };
    let before = epochs(&region, "bert");
    let leavers = LEAVER.map(|(name, _)| Follower::new(&region.place, name, "familie 00"));
    for leaver in &leavers {
        leaver.event("connected");
    }

    // Nobody but the leaver is online; the relay has the list, and dies before anybody has read it.
    let revoked = region.place.run(&["admin", "revoke", "bo@opvang.example", "--reason", "left", "--json"]).ok();
    let returned = now();
    assert_eq!(revoked.json().iter().filter(|line| line["type"] == "revoked").count(), 2);
    let cut = leavers.each_ref().map(|leaver| leaver.event("disconnected").0.saturating_duration_since(returned));
    assert!(cut.iter().all(|cut| *cut < CUT), "{cut:?}");
    drop(leavers);
    region.restart_relay();

    // Half of the others come: anne, and bert, whose tool is asked again and again.
    let begun = now();
    let anne = Follower::new(&region.place, "anne", "familie 00");
    let restarted = region.all_have("bert", 4) - begun;
    let message = anne.event("members_changed").1;
    assert_eq!(message.matches("Bo de Vries").count(), 2, "both devices in one change: {message}");
    assert!(anne.event("taken_out").1.contains("cannot be called back"));
    let one_more: Vec<_> = before.iter().map(|epoch| epoch + 1).collect();
    assert_eq!(epochs(&region, "bert"), one_more, "one change in each case");

    // The other half hears of it whenever it comes, and the leaver of nothing.
    at_once(&["carla", "dirk"], |profile| {
        region.all_have(profile, 4);
    });
    region.run("carla", &["send", "familie 00", "zonder Bo"]).ok();
    anne.says("zonder Bo");
    for (profile, _) in LEAVER {
        let status = region.run(profile, &["status", "--wait", "5"]);
        assert!(status.code == 3 && status.err.contains("revoked"), "{status:?}");
        let cases = region.cases(profile, &["--offline"]);
        assert!(cases.iter().all(|case| case["devices"] == 6), "it learns nothing of what came after: {cases:?}");
        assert!(region.run(profile, &["--offline", "read", "familie 00"]).ok().out.is_empty());
    }

    // The next one leaves while anne and bert are online.
    region.place.run(&["admin", "revoke", "dirk@opvang.example", "--reason", "left"]).ok();
    let returned = now();
    let told = anne.event("members_changed").0.saturating_duration_since(returned);
    let online = region.all_have("bert", 3).saturating_duration_since(returned);

    println!("the leaver's devices were cut off {cut:?} after the command's return (0: before)");
    println!(
        "after a restart of the relay {CASES} cases were without the leaver {restarted:?} after the others' start"
    );
    println!("with members online a case was without the next one {told:?} after the return, all {CASES} {online:?}");
    assert!(restarted < OUT && online < OUT, "{restarted:?} {online:?}");
}
