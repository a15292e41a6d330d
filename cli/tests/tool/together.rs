//! Two people talk over a relay with the tool: what it prints for machines, and how it ends.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::Stdio;

use serde_json::Value;

use crate::support::{Done, Place, Running};

/// The names of an object's fields.
fn fields(value: &Value) -> Vec<&str> {
    value.as_object().expect("an object").keys().map(String::as_str).collect()
}

#[test]
fn two_people_of_two_organisations_talk_and_every_line_has_its_documented_fields() {
    let place = Place::new();
    place.certificates();
    let (_relay, address) = place.relay();
    place.profiles(&address);
    let anne = |words: &[&str]| place.run(&[&["--profile", "anne", "--json"][..], words].concat());
    let bo = |words: &[&str]| place.run(&[&["--profile", "bo", "--json"][..], words].concat());

    let case_fields = [
        "case", "devices", "epoch", "group", "items", "queued", "record", "relay", "role", "status", "title", "type",
    ];
    let opened = anne(&["case", "new", "Familie Voorbeeld"]).ok().json();
    assert_eq!((opened.len(), fields(&opened[0])), (1, case_fields.to_vec()));
    assert_eq!((&opened[0]["status"], &opened[0]["role"]), (&"open".into(), &"coordinator".into()));

    let added = anne(&["case", "add", "fam", "bo@opvang.example"]).ok().json();
    assert_eq!(fields(&added[0]), ["address", "case", "change", "devices", "role", "type"]);
    assert_eq!(anne(&["case", "add", "fam", "nobody@opvang.example"]).code, 3, "nobody knows this address");
    assert_eq!(bo(&["case", "remove", "fam", "anne"]).code, 3, "a member removes nobody");

    let sent = anne(&["send", "fam", "Goedemorgen."]).ok().json();
    assert_eq!(fields(&sent[0]), ["case", "item", "record", "state", "type"]);
    assert_eq!(sent[0]["state"], "relayed");

    let mut follow = place.kring(&["--profile", "bo", "--json", "follow", "fam", "--talk"]);
    let mut follow = Running(follow.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("starts"));
    let mut typed = follow.0.stdin.take().expect("piped");
    let shown = BufReader::new(follow.0.stdout.take().expect("piped")).lines();
    let mut shown = shown.map(|line| serde_json::from_str::<Value>(&line.expect("text")).expect("JSON"));
    let mut next_item = || shown.by_ref().find(|line| line["type"] == "item").expect("an item");
    let first = next_item();
    assert_eq!(
        fields(&first),
        [
            "author",
            "case",
            "device",
            "epoch",
            "function",
            "item",
            "media_type",
            "name",
            "organisation",
            "own",
            "position",
            "record",
            "relayed_at",
            "restricted",
            "sent_at",
            "text",
            "type"
        ]
    );
    assert_eq!((&first["text"], &first["name"]), (&"Goedemorgen.".into(), &"Anne Jansen".into()));
    writeln!(typed, "Ik ga vanmiddag langs.").expect("written");
    assert_eq!(next_item()["text"], "Ik ga vanmiddag langs.");
    anne(&["send", "fam", "--about", "kind-2", "--purpose", "plan", "Dank."]).ok();
    let last = next_item();
    assert_eq!((&last["about"][0], &last["purpose"]), (&"kind-2".into(), &"plan".into()));

    assert_eq!(bo(&["status"]).code, 7, "the profile is open in `follow`");
    follow.signal("INT");
    assert_eq!(follow.0.wait().expect("ends").code(), Some(0));

    let read = anne(&["read", "fam", "--last", "2"]).ok().json();
    let texts: Vec<&str> = read.iter().map(|item| item["text"].as_str().expect("text")).collect();
    assert_eq!(texts, ["Ik ga vanmiddag langs.", "Dank."]);

    let shown = bo(&["case", "show", "fam"]).ok().json();
    assert_eq!(
        fields(&shown[1]),
        ["address", "device", "function", "leaving", "name", "organisation", "own", "revoked", "role", "type"]
    );
    let status = anne(&["status"]).ok().json();
    assert_eq!(
        fields(&status[0]),
        ["address", "cases", "caught_up", "certificate_until", "device", "link", "queued", "type"]
    );
}

#[test]
fn leaving_waits_for_another_member_and_a_reader_that_goes_away_is_no_failure() {
    let place = Place::new();
    place.certificates();
    let (_relay, address) = place.relay();
    place.profiles(&address);
    place.run(&["--profile", "anne", "case", "new", "Familie Voorbeeld"]).ok();
    place.run(&["--profile", "anne", "case", "add", "fam", "bo@opvang.example", "--role", "deputy"]).ok();
    for _ in 0..3 {
        place.run(&["--profile", "anne", "send", "fam", &"lang ".repeat(10_000)]).ok();
    }

    let mut reading = place.kring(&["--profile", "anne", "read", "fam"]);
    let mut reading = reading.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
    drop(reading.stdout.take());
    let done = reading.wait_with_output().expect("ends");
    assert_eq!((done.status.code(), done.stderr.as_slice()), (Some(0), &[][..]));

    let leaves = place.run(&["--profile", "bo", "case", "leave", "fam", "--wait", "1", "--json"]);
    assert_eq!(leaves.code, 5, "{leaves:?}");
    assert!(leaves.err.contains("\"pending\""));
    assert_eq!(place.run(&["--profile", "anne", "case", "leave", "fam"]).code, 3, "the coordinator stays");
}

#[test]
fn what_was_said_is_answered_replaced_taken_back_and_forgotten_and_shows_how_far_it_came() {
    let place = Place::new();
    place.certificates();
    let (_relay, address) = place.relay();
    place.profiles(&address);
    let anne = |words: &[&str]| place.run(&[&["--profile", "anne", "--json"][..], words].concat());
    let bo = |words: &[&str]| place.run(&[&["--profile", "bo", "--json"][..], words].concat());
    anne(&["case", "new", "Familie Voorbeeld"]).ok();
    anne(&["case", "add", "fam", "bo@opvang.example"]).ok();
    bo(&["status"]).ok();
    anne(&["send", "fam", "Ik kom om drie uur."]).ok();
    let first = bo(&["read", "fam"]).ok().json().remove(0);
    let (number, id) = (first["position"].to_string(), first["item"].as_str().expect("an id").to_owned());
    bo(&["send", "fam", "Goed.", "--reply-to", &number]).ok();
    anne(&["send", "fam", "Ik kom om vier uur.", "--edit", &id[..8]]).ok();
    anne(&["send", "fam", "De sleutel ligt bij de buren.", "--expires", "+1d"]).ok();
    anne(&["send", "fam", "--take-back", &id[..12]]).ok();

    assert_eq!(bo(&["send", "fam", "x", "--edit", &number]).code, 3, "what somebody else said");
    assert_eq!(bo(&["send", "fam", "x", "--reply-to", "99"]).code, 2);
    assert_eq!(bo(&["send", "fam", "x", "--take-back", &number]).code, 2, "one or the other");
    assert_eq!(bo(&["send", "fam", "x", "--expires", "someday"]).code, 2);
    anne(&["task", "create", "fam", "Bel de school", "--text", "Vandaag."]).ok();
    let task = anne(&["read", "fam"]).ok().json().pop().expect("the task")["position"].to_string();
    assert_eq!(anne(&["send", "fam", "x", "--edit", &task]).code, 3, "a task goes on by items of its own");

    let read = bo(&["read", "fam"]).ok().json();
    assert_eq!((&read[1]["in_reply_to"], &read[2]["replaces"]), (&id.as_str().into(), &id.as_str().into()));
    assert_eq!((&read[4]["replaces"], &read[4]["text"]), (&id.as_str().into(), &Value::Null));
    let page = place.run(&["--profile", "bo", "read", "fam", "--lang", "en"]).ok().out;
    assert!(
        page.contains(&format!("(answers #{number})")) && page.contains(&format!("(replaces #{number})")),
        "{page}"
    );
    assert!(page.contains("(taken back by its author)"), "{page}");

    let mentioning = ["send", "fam", "Kun jij vanmiddag?", "--mention", "bo"];
    anne(&mentioning).ok();
    assert_eq!(anne(&["send", "fam", "x", "--mention", "niemand"]).code, 2);
    let waits = bo(&["inbox"]).ok().json();
    let mentioned = waits.iter().find(|line| line["what"] == "mentioned").expect("a mention");
    assert_eq!(mentioned["unread"], 1);
    let read = bo(&["read", "fam", "--last", "1"]).ok().json().remove(0);
    assert_eq!(read["mentions"], serde_json::json!(["bo@opvang.example"]));
    assert_eq!(read["text"], "[Bo de Vries](kring://opvang.example/bo) Kun jij vanmiddag?");
    let page = place.run(&["--profile", "bo", "read", "fam", "--last", "1", "--lang", "nl"]).ok().out;
    assert!(page.contains("(noemt bo@opvang.example)"), "{page}");
    assert!(bo(&["inbox"]).ok().json().iter().all(|line| line["what"] != "mentioned"), "it was read");

    bo(&["read", "fam", "--acknowledge", &number]).ok();
    anne(&["send", "fam", "Voor straks.", "--no-wait"]).ok();
    let far = anne(&["read", "fam", "--status", "--offline"]).ok().json();
    let far: Vec<_> = far.iter().filter(|line| line["type"] == "message_status").collect();
    assert_eq!(fields(far[0]), ["case", "item", "recipients", "state", "type"]);
    assert_eq!(fields(&far[0]["recipients"][0]), ["address", "device", "reached"]);
    assert_eq!(
        (&far[0]["state"], &far[0]["recipients"][0]["address"]),
        (&"relayed".into(), &"bo@opvang.example".into())
    );
    let last = far.last().expect("the one that waits");
    assert_eq!((&last["state"], &last["recipients"]), (&"queued".into(), &Value::Array(Vec::new())));
}

#[test]
fn an_alert_is_said_to_be_here_only_as_long_as_it_is() {
    let place = Place::new();
    place.certificates();
    let (_relay, address) = place.relay();
    place.profiles(&address);
    let anne = |words: &[&str]| place.run(&[&["--profile", "anne", "--json"][..], words].concat());
    let warned = |done: &Done| done.err.lines().filter(|line| line.contains("alert_not_sent")).count();
    anne(&["case", "new", "Familie Voorbeeld"]).ok();
    let raise = ["alert", "raise", "fam", "Vader staat voor de deur", "--ask", "shelter"];
    let online = anne(&raise).ok();
    assert_eq!((warned(&online), &online.json()[0]["state"]), (0, &"relayed".into()), "{online:?}");

    let offline = anne(&[&["--offline"][..], &raise].concat());
    assert_eq!((offline.code, warned(&offline)), (4, 1), "{offline:?}");
    for _ in 0..2 {
        let later = anne(&["--offline", "status"]).ok();
        assert_eq!(warned(&later), 1, "as long as it has not left, every command says so: {later:?}");
    }
    let left = anne(&["status"]).ok();
    assert_eq!((warned(&left), &left.json()[0]["queued"]), (0, &0.into()), "{left:?}");
    assert_eq!(anne(&["alert", "list", "fam"]).ok().json().len(), 2);
}

#[test]
fn whatever_is_written_by_hand_is_read_as_json_too_and_each_state_is_shown_as_of_any_record() {
    let place = Place::new();
    place.certificates();
    let (_relay, address) = place.relay();
    place.profiles(&address);
    let anne = |words: &[&str]| place.run(&[&["--profile", "anne", "--json"][..], words].concat());
    anne(&["case", "new", "Familie Voorbeeld"]).ok();
    let write = |name: &str, text: &str| std::fs::write(place.path().join(name), text).expect("written");
    write(
        "task.json",
        r#"{"title":"Bel de school","text":"Vandaag.","due":"+1d","about":["kind-2"],"purpose":"plan"}"#,
    );
    write("slip.json", r#"{"title":"Bel de school","tekst":"Vandaag."}"#);
    let made = anne(&["task", "create", "fam", "--input", "task.json"]).ok().json()[0]["record"].to_string();
    assert_eq!(anne(&["task", "create", "fam", "--input", "slip.json"]).code, 2);
    assert_eq!(anne(&["task", "create", "fam"]).code, 2);
    let item = anne(&["read", "fam"]).ok().json().remove(0);
    assert_eq!((&item["about"][0], &item["purpose"]), (&"kind-2".into(), &"plan".into()));
    let task = anne(&["task", "list", "fam"]).ok().json().remove(0);
    assert_eq!((&task["title"], &task["text"]), (&"Bel de school".into(), &"Vandaag.".into()));

    let plan = |worry: &str| {
        let rest = r#""conditions":[],"agreements":[],"triggers":[],"emergency":[],"network":[]"#;
        format!(r#"{{"phase":"direct","worry":"{worry}","review":"2030-01-01T10:00:00Z",{rest}}}"#)
    };
    let in_force = |worry: &str| {
        write("plan.json", &plan(worry));
        anne(&["plan", "draft", "fam", "--input", "plan.json"]).ok();
        anne(&["plan", "propose", "fam", "--function", "police"]).ok();
        anne(&["plan", "approve", "fam"]).ok().json()[0]["record"].to_string()
    };
    let first = in_force("Het gezin is niet veilig.");
    in_force("Het gezin is veiliger.");
    let exported = |more: &[&str]| anne(&[&["plan", "export", "fam"][..], more].concat()).ok().out;
    assert!(exported(&["--to", "-"]).contains("veiliger"));
    assert!(!place.path().join("-").exists(), "- is standard output");
    assert!(exported(&["--as-of", &first]).contains("niet veilig"));
    assert_eq!(anne(&["plan", "export", "fam", "--as-of", &made]).code, 2, "no plan was in force then");
    let page = anne(&["plan", "show", "fam", "--as-of", &first]).ok().json().remove(0);
    let id = page["plan"].as_str().expect("an id").to_owned();
    assert_eq!(anne(&["plan", "diff", "fam", &id, "--as-of", &first]).ok().out, "", "the first has none before it");

    // The case itself: who is in it and who answers for it. After the Commit the case may be told to who has come.
    anne(&["case", "add", "fam", "bo@opvang.example"]).ok();
    let people = |as_of: u64| {
        let shown = anne(&["case", "show", "fam", "--as-of", &as_of.to_string()]).ok().json();
        shown.iter().filter(|line| line["type"] == "person").count()
    };
    let last = anne(&["case", "show", "fam"]).ok().json()[0]["record"].as_u64().expect("a number");
    let added = (1..=last).rev().take_while(|at| people(*at) == 2).last().expect("both are in it now");
    assert_eq!(people(added - 1), 1);
    let timeline = |as_of: u64| anne(&["case", "timeline", "fam", "--as-of", &as_of.to_string()]).ok().out;
    assert!(timeline(added).contains("\"came\"") && !timeline(added - 1).contains("\"came\""));
}
