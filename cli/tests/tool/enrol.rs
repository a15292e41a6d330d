//! Invited, enrolled, found, renewed, revoked: the tool and a real relay, each a process of its own.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::Stdio;
use std::time::{Duration, SystemTime};

use kring_client::enrolment::{Ticket, TicketSecret};
use serde_json::Value;
use zeroize::Zeroizing;

use crate::support::{Done, Place, Running};

/// A region, an organisation with a relay that runs; nobody is enrolled.
struct Town {
    place: Place,
    _relay: Running,
    relay: String,
}

impl Town {
    fn new() -> Self {
        let place = Place::new();
        for words in [
            &["admin", "region", "new", "Proefregio"][..],
            &["admin", "organisation", "new", "Politie", "--domain", "politie.example", "--function", "police"],
            &["admin", "relay", "new", "--host", "127.0.0.1", "--listen", "127.0.0.1:0"],
        ] {
            place.run(words).ok();
        }
        let (running, relay) = place.relay();
        place.run(&["admin", "relay", "use", &relay]).ok();
        Self { place, _relay: running, relay }
    }

    fn invite(&self, name: &str, more: &[&str]) -> Done {
        let (address, out) = (format!("{name}@politie.example"), format!("{name}.ticket"));
        let words = ["admin", "invite", &address, "--name", name, "--function", "police", "--out", &out, "--json"];
        self.place.run(&[&words[..], more].concat())
    }

    /// Sets a device up with a ticket.
    fn setup(&self, profile: &str, ticket: &str, wait: &str) -> Done {
        self.place.run(&["--profile", profile, "--json", "--wait", wait, "setup", "--ticket", ticket])
    }

    /// Approves what waits, with this answer to each question.
    fn approve(&self, answer: &str, more: &[&str]) -> Done {
        let mut command = self.place.kring(&[&["admin", "approve", "--json"][..], more].concat());
        let mut running =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
        running.stdin.take().expect("piped").write_all(answer.repeat(9).as_bytes()).expect("written");
        Done::of(running.wait_with_output().expect("ends"))
    }

    /// Lets the administrator be asked, and go away with Ctrl-C instead of answering.
    fn ask_and_stop(&self) {
        let mut command = self.place.kring(&["admin", "approve", "--json"]);
        let mut asking = Running(command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("starts"));
        let _open = asking.0.stdin.take().expect("piped");
        let mut lines = BufReader::new(asking.0.stdout.take().expect("piped")).lines().map_while(Result::ok);
        assert!(lines.any(|line| line.contains("\"request\"")), "somebody is asked for");
        asking.signal("INT");
        assert_eq!(asking.0.wait().expect("ends").code(), Some(130));
    }

    /// Approves everything until the test ends.
    fn approving(&self) -> Running {
        let mut command = self.place.kring(&["admin", "approve", "--auto"]);
        Running(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("starts"))
    }

    /// Enrols somebody whom the running approval admits.
    fn enrol(&self, name: &str) {
        self.invite(name, &[]).ok();
        self.setup(name, &format!("{name}.ticket"), "60").ok();
        self.place.run(&["--profile", name, "status"]).ok();
    }
}

fn of<'a>(lines: &'a [Value], kind: &str) -> Vec<&'a Value> {
    lines.iter().filter(|line| line["type"] == kind).collect()
}

#[test]
fn who_is_invited_gets_a_certificate_when_the_administrator_says_yes_and_only_then() {
    let town = Town::new();
    let ticket = town.invite("anne", &[]).ok().json();
    assert_eq!(ticket[0]["file"], "anne.ticket");
    assert!(ticket[0].get("ticket").is_none(), "what went into a file is not shown");
    let early = town.setup("anne", "anne.ticket", "1");
    assert_eq!(early.code, 5, "nobody has approved yet: {early:?}");
    assert!(early.err.contains("not approved yet"), "{early:?}");
    assert!(!town.place.path().join("anne").exists(), "there is no profile yet");

    // Who goes away has decided nothing, and neither has nobody.
    town.ask_and_stop();
    let nobody = town.place.run(&["admin", "approve"]);
    assert!(nobody.code == 1 && nobody.err.contains("nothing was decided"), "{nobody:?}");
    let approved = town.approve("misschien\nyes\n", &[]).ok();
    assert_eq!(
        approved.err.matches("(yes/no)").count(),
        2,
        "what is neither yes nor no is asked again: {approved:?}"
    );
    let lines = approved.json();
    let (asked, signed) = (of(&lines, "request"), of(&lines, "signed"));
    assert_eq!((asked.len(), signed.len()), (1, 1), "{approved:?}");
    assert_eq!((&asked[0]["called"], &asked[0]["function"]), (&"anne".into(), &"police".into()));
    assert!(asked[0]["key"].as_str().expect("text").len() > 30, "the key's fingerprint is shown");

    let done = town.setup("anne", "anne.ticket", "30").ok().json();
    assert_eq!((&done[0]["address"], &done[0]["organisation"]), (&"anne@politie.example".into(), &"Politie".into()));
    assert_eq!(done[0]["key"], asked[0]["key"], "device and administrator see the same");
    let status = town.place.run(&["--profile", "anne", "--json", "status"]).ok().json();
    assert_eq!(status[0]["device"], signed[0]["device"], "the same device, gone on with");
    assert_eq!(status[0]["link"], "connected");
    let left: Vec<_> =
        std::fs::read_dir(town.place.path()).expect("a folder").map(|e| e.expect("an entry").file_name()).collect();
    assert!(left.iter().all(|name| name != ".anne.enrolling"), "nothing of the way there is left: {left:?}");
    let nothing = town.approve("yes\n", &["--wait", "0"]).ok();
    assert!(nothing.json().is_empty(), "{nothing:?}");

    town.invite("bart", &[]).ok();
    let mut command = town.place.kring(&["--profile", "bart", "--wait", "60", "setup", "--ticket", "bart.ticket"]);
    let mut waiting = Running(command.stderr(Stdio::piped()).spawn().expect("starts"));
    town.ask_and_stop();
    waiting.signal("INT");
    assert_eq!(waiting.0.wait().expect("ends").code(), Some(130));
    let mut said = String::new();
    waiting.0.stderr.take().expect("piped").read_to_string(&mut said).expect("text");
    assert!(said.contains("key of this device") && said.contains("run the same command again"), "{said}");
    let refused = town.approve("no\n", &[]).ok();
    assert!(of(&refused.json(), "signed").is_empty(), "{refused:?}");
    let told = town.setup("bart", "bart.ticket", "30");
    assert_eq!(told.code, 3, "{told:?}");
    assert!(told.err.contains("administrator has refused"), "{told:?}");
    assert!(!town.place.path().join("bart").exists());
}

#[test]
fn who_approves_by_hand_publishes_a_first_list_before_anybody_is_admitted_and_no_other_while_it_is_fresh() {
    let town = Town::new();
    town.invite("anne", &[]).ok();
    assert_eq!(town.setup("anne", "anne.ticket", "1").code, 5);
    let approved = town.approve("yes\n", &[]).ok();
    let lines = approved.json();
    let kinds: Vec<_> = lines.iter().map(|line| line["type"].as_str().expect("a type")).collect();
    assert_eq!(kinds, ["list", "handed", "request", "signed"], "{approved:?}");
    assert_eq!((&lines[0]["whose"], &lines[0]["number"]), (&"politie.example".into(), &1.into()));
    assert_eq!((&lines[0]["revoked"], &lines[1]["number"]), (&0.into(), &1.into()), "nobody is on it");
    let again = town.approve("yes\n", &["--wait", "0"]).ok();
    assert!(again.json().is_empty(), "{again:?}");
    let revoked =
        town.place.run(&["admin", "revoke", "anne@politie.example", "--reason", "left", "--json"]).ok().json();
    assert_eq!(of(&revoked, "list")[0]["number"], 2, "the leaver stands on the next");
}

#[test]
fn used_expired_guessed_mistyped_and_foreign_tickets_are_refused_with_a_reason_each() {
    let town = Town::new();
    let _approving = town.approving();
    town.invite("anne", &[]).ok();
    let text = std::fs::read_to_string(town.place.path().join("anne.ticket")).expect("there");
    town.setup("anne", "anne.ticket", "60").ok();
    let used = town.setup("thief", "anne.ticket", "5");
    assert_eq!(used.code, 3, "{used:?}");
    assert!(used.err.contains("used already"), "{used:?}");
    assert_eq!(town.setup("anne", "anne.ticket", "5").code, 1, "it is set up already");

    let ticket = Ticket::from_text(&text).expect("a ticket");
    let write = |file: &str, ticket: &str| std::fs::write(town.place.path().join(file), ticket).expect("written");
    let guess = Ticket { secret: TicketSecret::new(Zeroizing::new([7; 32])), ..ticket.clone() };
    write("guessed", &guess.to_text());
    let guessed = town.setup("guesser", "guessed", "5");
    assert_eq!(guessed.code, 3, "{guessed:?}");
    assert!(guessed.err.contains("does not know this ticket"), "{guessed:?}");

    let slip = if text.ends_with("A\n") { "B" } else { "A" };
    write("slip", &format!("{}{slip}", text.trim_end().split_at(text.trim_end().len() - 1).0));
    let mistyped = town.setup("x", "slip", "5");
    assert_eq!(mistyped.code, 2);
    assert!(mistyped.err.contains("mistyped"), "{mistyped:?}");
    write("no", "wachtwoord");
    assert_eq!(town.setup("x", "no", "5").code, 2);

    // Of another region: the answer's roots are not those of the ticket.
    town.invite("bart", &[]).ok();
    let bart = std::fs::read_to_string(town.place.path().join("bart.ticket")).expect("there");
    let foreign = Ticket { region: [7; 32], ..Ticket::from_text(&bart).expect("a ticket") };
    write("foreign", &foreign.to_text());
    let refused = town.setup("bart", "foreign", "60");
    assert_eq!(refused.code, 3, "{refused:?}");
    assert!(refused.err.contains("another region"), "{refused:?}");

    // Its time passes before it is used.
    let late = town.invite("cees", &["--valid", "3s"]).ok().json();
    assert_eq!(late[0]["address"], "cees@politie.example");
    let end = Ticket::from_text(&std::fs::read_to_string(town.place.path().join("cees.ticket")).expect("there"));
    let end = SystemTime::UNIX_EPOCH + Duration::from_millis(end.expect("a ticket").expires.0 + 1_500);
    while now() < end {
        std::thread::yield_now();
    }
    let expired = town.setup("cees", "cees.ticket", "5");
    assert_eq!(expired.code, 3, "{expired:?}");
    assert!(expired.err.contains("expired"), "{expired:?}");
    for nobody in ["thief", "guesser", "x", "bart", "cees"] {
        assert!(!town.place.path().join(nobody).exists(), "{nobody}");
    }
    assert_eq!(town.place.run(&["setup", "--ticket", "KRING1-AAAAA"]).code, 1, "a ticket is no argument, but a file");
}

#[expect(clippy::disallowed_methods, reason = "a ticket ends at a moment of this clock")]
fn now() -> SystemTime {
    SystemTime::now()
}

#[test]
fn a_ticket_is_for_a_person_whom_the_organisation_may_name() {
    let town = Town::new();
    let invite = |address: &str, function: &str| {
        town.place.run(&["admin", "invite", address, "--name", "X", "--function", function]).code
    };
    assert_eq!(invite("x@politie.example", "veilig-thuis"), 3, "not a function of this organisation");
    assert_eq!(invite("x@elders.example", "police"), 1, "not its domain");
    assert_eq!(invite("administration@politie.example", "police"), 3, "the administration itself");
    let shown = town.place.run(&["admin", "invite", "x@politie.example", "--name", "X", "--function", "police"]).ok();
    assert!(shown.out.contains("KRING1-") && shown.out.contains('\u{2588}'), "text and a QR code: {}", shown.out);
    let text: String = shown.out.lines().filter(|line| line.starts_with("KRING1-")).collect();
    // Typed at the terminal, in lower case and with an empty line at its end.
    let mut typing = town.place.kring(&["--profile", "x", "--wait", "60", "setup", "--ticket", "-"]);
    let _approving = town.approving();
    let mut typing =
        typing.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
    let typed = format!("{}\n\n", text.to_lowercase());
    typing.stdin.take().expect("piped").write_all(typed.as_bytes()).expect("written");
    Done::of(typing.wait_with_output().expect("ends")).ok();
}

#[test]
fn people_are_found_and_added_and_whoever_is_revoked_is_out() {
    let town = Town::new();
    let _approving = town.approving();
    for name in ["anne", "bart"] {
        town.enrol(name);
    }
    let search = |who: &str, text: &str| town.place.run(&["--profile", who, "--json", "directory", "search", text]);
    let found = search("anne", "bar").ok().json();
    assert_eq!((found.len(), &found[0]["address"]), (1, &"bart@politie.example".into()));
    assert_eq!(found[0]["chain"].as_array().expect("certificates").len(), 2);
    assert_eq!(search("anne", "police").ok().json().len(), 2, "by function");
    assert!(search("anne", "nobody").ok().json().is_empty());
    town.place.run(&["--profile", "anne", "case", "new", "Familie Voorbeeld"]).ok();
    town.place.run(&["--profile", "anne", "case", "add", "fam", "bart@politie.example"]).ok();

    let further = ["admin", "invite", "bart@politie.example", "--name", "Bart", "--function", "police"];
    town.place.run(&[&further[..], &["--out", "further.ticket"]].concat()).ok();
    let revoked = town.place.run(&["admin", "revoke", "bart@politie.example", "--reason", "left", "--json"]).ok();
    let lines = revoked.json();
    assert_eq!((of(&lines, "revoked").len(), of(&lines, "handed").len()), (1, 1), "{revoked:?}");
    assert_eq!(of(&lines, "withdrawn")[0]["name"], "bart@politie.example");
    let back = town.setup("back", "further.ticket", "60");
    assert!(back.code == 3 && back.err.contains("does not know this ticket"), "{back:?}");
    assert_eq!(of(&lines, "handed")[0]["relay"], town.relay.as_str());
    let told = town.place.run(&["admin", "revoke", "bart@politie.example", "--reason", "left"]).ok();
    assert!(
        told.err.contains("handed over again") && told.out.contains("of politie.example and turns away"),
        "{told:?}"
    );
    let status = town.place.run(&["--profile", "bart", "status", "--json", "--wait", "5"]);
    assert_eq!(status.code, 3, "{status:?}");
    let out = status.json();
    assert_ne!(out[0]["link"], "connected", "{out:?}");
    assert!(out[0]["reason"].as_str().expect("a reason").contains("does not accept this device's certificate"));
    assert_eq!(search("bart", "anne").code, 3, "the directory is for admitted devices only");
    assert!(search("anne", "bart").ok().json().is_empty(), "and does not name who was revoked");
    let timeline = town.place.run(&["--profile", "anne", "--json", "case", "timeline", "fam"]).ok().json();
    let steps: Vec<_> =
        of(&timeline, "step").iter().map(|step| (step["what"].clone(), step["who"][0].clone())).collect();
    let bart = |what: &str| (what.into(), "bart@politie.example".into());
    assert_eq!(steps, [("opened".into(), Value::Null), bart("came"), bart("revoked"), bart("went")]);
    let refreshed = town.place.run(&["admin", "crl", "refresh", "--json"]).ok().json();
    assert_eq!(of(&refreshed, "handed").len(), 2, "the organisation's and the region's: {refreshed:?}");
    town.place.run(&["admin", "crl", "publish", "kring-admin/region/revoked.pem"]).ok();
}

#[test]
fn nobody_comes_back_with_a_ticket_of_before_their_revocation_and_a_withdrawn_one_opens_nothing() {
    let town = Town::new();
    let approving = town.approving();
    town.enrol("anne");
    drop(approving);
    let invite = |out: &str| {
        let further = ["admin", "invite", "anne@politie.example", "--name", "Anne", "--function", "police"];
        town.place.run(&[&further[..], &["--out", out]].concat()).ok();
    };
    let revoke = |whom: &str| town.place.run(&["admin", "revoke", whom, "--reason", "lost", "--json"]);
    // One device is revoked: its owner stays, and is told of.
    invite("laptop.ticket");
    let signed = town.place.run(&["admin", "list", "--json"]).ok().json();
    let invited = of(&signed, "invitation")[0]["ticket"].as_str().expect("a number").to_owned();
    let listed = town.place.run(&["admin", "list"]).ok().out;
    assert!(listed.contains(&format!("police  ticket {} until ", &invited[..8])), "{listed}");
    let serial =
        of(&signed, "certificate").iter().find(|line| line["what"] == "device").expect("there")["serial"].clone();

    // The request waits at the relay while nobody can tell the relay anything: it is written down here all the same.
    assert_eq!(town.setup("laptop", "laptop.ticket", "1").code, 5);
    let relays = town.place.path().join("kring-admin/relays.toml");
    let hidden = town.place.path().join("relays.toml");
    std::fs::rename(&relays, &hidden).expect("moved");
    let alone = town.place.run(&["admin", "revoke", serial.as_str().expect("text"), "--reason", "lost"]);
    assert!(alone.err.contains("still has an open invitation"), "{alone:?}");
    let cut = revoke("anne@politie.example");
    let lines = cut.json();
    assert_eq!((cut.code, of(&lines, "revoked").len(), of(&lines, "withdrawn").len()), (1, 0, 1), "{cut:?}");
    std::fs::rename(&hidden, &relays).expect("moved");
    let denied = town.approve("yes\n", &[]).ok();
    assert!(of(&denied.json(), "request").is_empty(), "nobody is asked about her: {denied:?}");
    let told = town.setup("laptop", "laptop.ticket", "60");
    assert!(told.code == 3 && told.err.contains("administrator has refused"), "{told:?}");

    // The same command once more hands over what was not, although nothing is newly revoked.
    town.place.run(&["--profile", "anne", "status"]).ok();
    let again = revoke("anne@politie.example").ok();
    let lines = again.json();
    assert_eq!((of(&lines, "revoked").len(), of(&lines, "handed").len()), (0, 1), "{again:?}");
    assert_eq!(town.place.run(&["--profile", "anne", "status", "--wait", "5"]).code, 3);

    // Whoever comes back is invited anew; by mistake, this time.
    invite("again.ticket");
    let signed = town.place.run(&["admin", "list", "--json"]).ok().json();
    let invited = of(&signed, "invitation")[0]["ticket"].as_str().expect("a number").to_owned();
    let withdrawn = town.place.run(&["admin", "uninvite", &invited[..6], "--json"]).ok().json();
    assert_eq!(of(&withdrawn, "withdrawn")[0]["ticket"], invited.as_str());
    assert!(of(&town.place.run(&["admin", "list", "--json"]).ok().json(), "invitation").is_empty());
    let refused = town.setup("again", "again.ticket", "5");
    assert!(refused.code == 3 && refused.err.contains("does not know this ticket"), "{refused:?}");
    town.place.run(&["admin", "uninvite", "anne@politie.example"]).ok();
    assert_eq!(town.place.run(&["admin", "uninvite", "bart@politie.example"]).code, 2, "nobody is invited so");
}

#[test]
fn a_device_renews_its_certificate_without_a_ticket_and_a_revoked_one_does_not() {
    let town = Town::new();
    let _approving = town.approving();
    town.enrol("anne");
    let until = |who: &str| {
        let status = town.place.run(&["--profile", who, "--json", "status"]).ok().json();
        status[0]["certificate_until"].as_str().expect("a time").to_owned()
    };
    let before = until("anne");
    let renewed = town.place.run(&["--profile", "anne", "--json", "--wait", "60", "setup", "--renew"]).ok().json();
    let after = renewed[0]["until"].as_str().expect("a time").to_owned();
    assert!(after > before, "{before} {after}");
    assert_eq!(until("anne"), after, "and it is in use");
    let shown = town.place.run(&["admin", "show", "anne@politie.example", "--json"]).ok().json();
    let states: Vec<_> = shown.iter().map(|line| line["state"].as_str().expect("text")).collect();
    assert_eq!(states, ["replaced", "valid"]);
    assert_eq!(shown[0]["device"], shown[1]["device"]);

    // The whole organisation goes on with a new key; devices keep theirs, and the next certificates are of the new one.
    town.place.run(&["admin", "organisation", "renew", "politie.example", "--new-key"]).ok();
    town.place.run(&["--profile", "anne", "status"]).ok();
    town.place.run(&["admin", "revoke", "anne@politie.example", "--reason", "lost"]).ok();
    assert_ne!(town.place.run(&["--profile", "anne", "--wait", "5", "setup", "--renew"]).code, 0);
}

#[test]
fn an_approval_that_runs_takes_up_what_other_commands_change_in_its_folder() {
    let town = Town::new();
    let _approving = town.approving();
    town.enrol("anne");
    town.place.run(&["admin", "organisation", "renew", "politie.example", "--new-key"]).ok();
    town.enrol("bart");
    let shown = |who: &str| town.place.run(&["admin", "show", who, "--json"]).ok().json();
    assert_eq!(shown("bart@politie.example").len(), 1);
    // An organisation that was not there when it was started.
    let opvang = ["admin", "organisation", "new", "Opvang", "--domain", "opvang.example", "--function", "shelter"];
    town.place.run(&opvang).ok();
    let carla = ["admin", "invite", "carla@opvang.example", "--name", "Carla", "--function", "shelter"];
    town.place.run(&[&carla[..], &["--out", "carla.ticket"]].concat()).ok();
    town.setup("carla", "carla.ticket", "90").ok();
    let status = town.place.run(&["--profile", "carla", "--json", "status"]).ok().json();
    assert_eq!(status[0]["link"], "connected");
    // Those whom the former key has signed and those whom the new one has are in one case, and either is revoked.
    for name in ["anne", "bart"] {
        town.place.run(&["--profile", "carla", "case", "new", name]).ok();
        town.place.run(&["--profile", "carla", "case", "add", name, &format!("{name}@politie.example")]).ok();
    }
    for name in ["anne", "bart"] {
        let address = format!("{name}@politie.example");
        town.place.run(&["admin", "revoke", &address, "--reason", "left"]).ok();
        assert_eq!(town.place.run(&["--profile", name, "status", "--wait", "5"]).code, 3, "{name} is out");
    }
}

#[test]
fn another_device_of_ones_own_is_added_by_its_number_and_by_no_other() {
    let town = Town::new();
    let _approving = town.approving();
    town.enrol("anne");
    town.enrol("bart");
    let invited = ["admin", "invite", "anne@politie.example", "--name", "anne", "--function", "police"];
    town.place.run(&[&invited[..], &["--out", "laptop.ticket"]].concat()).ok();
    town.setup("laptop", "laptop.ticket", "60").ok();
    town.place.run(&["--profile", "laptop", "status"]).ok();
    town.place.run(&["--profile", "anne", "case", "new", "Familie Voorbeeld"]).ok();
    let shown = |profile: &str| {
        let line = town.place.run(&["--profile", profile, "--json", "device", "show"]).ok().json().remove(0);
        let text = |name: &str| line[name].as_str().expect("text").to_owned();
        (text("device"), text("number"))
    };
    let (id, number) = shown("laptop");
    let (other_id, other) = shown("bart");
    let add = |id: &str, number: &str| {
        town.place.run(&["--profile", "anne", "--json", "device", "add", id, "--number", number])
    };
    let mistyped = add(&id, &other);
    assert_eq!(mistyped.code, 3, "{mistyped:?}");
    assert!(mistyped.err.contains("another number") && mistyped.out.is_empty(), "{mistyped:?}");
    assert_eq!(add(&other_id, &other).code, 3, "somebody else's device");
    assert_eq!(add(&id, "12345").code, 2);
    let unknown = add("00112233445566778899aabbccddeeff", &number);
    assert!(unknown.code == 3 && unknown.err.contains("knows no such device"), "{unknown:?}");
    assert!(unknown.err.contains("start the new device once"), "its number is not what is wrong: {unknown:?}");
    let added = add(&id, &number).ok().json();
    assert_eq!((&added[0]["change"], &added[0]["cases"]), (&"added".into(), &1.into()));
    let listed = town.place.run(&["--profile", "anne", "--json", "device", "list"]).ok().json();
    let own: Vec<_> = listed.iter().filter(|line| line["own"] == true).collect();
    let others: Vec<_> = listed.iter().filter(|line| line["own"] == false).collect();
    assert_eq!((own.len(), others.len()), (1, 1), "{listed:?}");
    assert_eq!((&others[0]["device"], &others[0]["number"]), (&id.as_str().into(), &number.as_str().into()));
    assert!(listed.iter().all(|line| line["cases"] == 1 && line["address"] == "anne@politie.example"), "{listed:?}");
    let again = add(&id, &other);
    assert_eq!(again.code, 3, "a number that is wrong is not passed over because the device is there: {again:?}");
    assert_eq!(town.place.run(&["--profile", "laptop", "--json", "case", "list"]).ok().json()[0]["status"], "open");
    // A case that was left does not count.
    town.place.run(&["--profile", "laptop", "case", "new", "Van de laptop"]).ok();
    town.place.run(&["--profile", "anne", "device", "drop", &id[..8]]).ok();
    town.place.run(&["--profile", "laptop", "status"]).ok();
    let (old, number) = shown("anne");
    let back = ["--profile", "laptop", "--json", "device", "add", &old, "--number", &number];
    assert_eq!(town.place.run(&back).ok().json()[0]["cases"], 1);
}

#[test]
fn an_approval_that_is_killed_between_signing_and_answering_gives_one_certificate() {
    let town = Town::new();
    town.invite("anne", &[]).ok();
    assert_eq!(town.setup("anne", "anne.ticket", "1").code, 5);
    // Killed at moments of its run that differ from round to round: whatever was signed is answered by a later one.
    for round in 0..6u32 {
        let mut command = town.place.kring(&["admin", "approve", "--auto"]);
        let approving = Running(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("starts"));
        let ledger = town.place.path().join("kring-admin/organisations/politie.example/ledger.jsonl");
        let lines = || std::fs::read_to_string(&ledger).expect("there").lines().count();
        let before = lines();
        // One line is its pass at the relay, the second the list, the next two the certificate.
        while lines() <= before + (round as usize % 4) / 2 && town_is_busy(&town) {
            std::thread::yield_now();
        }
        drop(approving);
        if !town_is_busy(&town) {
            break;
        }
    }
    let _approving = town.approving();
    town.setup("anne", "anne.ticket", "60").ok();
    let shown = town.place.run(&["admin", "show", "anne@politie.example", "--json"]).ok().json();
    assert_eq!(shown.len(), 1, "one ticket, one certificate: {shown:?}");
}

/// Whether the first invitation is not settled yet.
fn town_is_busy(town: &Town) -> bool {
    let listed = town.place.run(&["admin", "list", "--json"]);
    of(&listed.json(), "invitation").len() == 1
}

#[test]
fn nothing_of_a_ticket_or_a_name_lies_at_the_relay() {
    let town = Town::new();
    town.invite("wilhelmina", &[]).ok();
    assert_eq!(town.setup("wilhelmina", "wilhelmina.ticket", "1").code, 5);
    let ticket = std::fs::read_to_string(town.place.path().join("wilhelmina.ticket")).expect("there");
    let ticket = Ticket::from_text(&ticket).expect("a ticket");
    let id = ticket.secret.id().expect("derived").0;
    let mut searched = 0;
    let mut folders = vec![town.place.path().join("kring-admin/relays")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry")) {
            if entry.file_type().expect("a type").is_dir() {
                folders.push(entry.path());
                continue;
            }
            let bytes = std::fs::read(entry.path()).expect("read");
            searched += bytes.len();
            assert!(!bytes.windows(16).any(|window| window == id), "{:?}", entry.path());
            assert!(!bytes.windows(10).any(|window| window == b"wilhelmina"), "{:?}", entry.path());
        }
    }
    assert!(searched > 1_000, "there was something to look through");
}
