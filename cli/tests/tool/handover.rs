//! A family is handed over, or not, and a case comes to its end, by people with the tool over a relay: in the right order,
//! and what is said to who tries it in another.

use std::process::Stdio;

use serde_json::Value;

use crate::support::{Done, Place, Running};

/// A relay with Anne of the police, who has opened a case, Bo of the shelter, who is in it, and Carla of the shelter.
struct Family {
    place: Place,
    _relay: Running,
}

impl Family {
    fn new() -> Self {
        let place = Place::new();
        place.certificates();
        let carla = ["carla@opvang.example", "--name", "Carla Smit", "--function", "shelter"];
        place.run(&[&["admin", "device", "new"][..], &carla].concat()).ok();
        let (relay, address) = place.relay();
        place.profiles(&address);
        let device = "kring-admin/devices/opvang.example/carla";
        place.run(&["--profile", "carla", "setup", "--device", device, "--relay", &address]).ok();
        place.run(&["--profile", "carla", "status"]).ok();
        let family = Self { place, _relay: relay };
        family.anne(&["case", "new", "Familie Voorbeeld"]).ok();
        family.anne(&["case", "add", "fam", "bo@opvang.example"]).ok();
        family.bo(&["status"]).ok();
        family
    }

    fn person(&self, name: &str, words: &[&str]) -> Done {
        self.place.run(&[&["--profile", name, "--json"][..], words].concat())
    }

    fn anne(&self, words: &[&str]) -> Done {
        self.person("anne", words)
    }

    fn bo(&self, words: &[&str]) -> Done {
        self.person("bo", words)
    }

    fn carla(&self, words: &[&str]) -> Done {
        self.person("carla", words)
    }

    /// The handover as somebody sees it.
    fn shown(&self, name: &str) -> Value {
        self.person(name, &["handover", "show", "fam"]).ok().json().remove(0)
    }
}

/// What a refused command says and advises.
fn refused(done: &Done, code: i32) -> (String, String) {
    assert_eq!(done.code, code, "{done:?}");
    assert_eq!(done.out, "", "nothing is answered");
    let error = done.err.lines().find(|line| line.contains("\"type\":\"error\"")).expect("an error");
    let error: Value = serde_json::from_str(error).expect("JSON");
    let text = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
    (text("message"), text("advice"))
}

/// The names of an object's fields.
fn fields(value: &Value) -> Vec<&str> {
    value.as_object().expect("an object").keys().map(String::as_str).collect()
}

/// The steps of a handover in a timeline, in their order.
fn course<'t>(timeline: &'t [Value], handover: &str) -> Vec<&'t str> {
    let step = |line: &'t Value| {
        if line["type"] == "step" {
            return (line["handover"] == handover).then(|| line["what"].as_str().expect("a name"));
        }
        let (kind, fields) = line["statement"].as_object()?.iter().next()?;
        let of_it = line["item"] == handover || fields["handover"] == handover;
        of_it.then_some(kind.as_str())
    };
    timeline.iter().filter_map(step).collect()
}

fn waits(done: Done) -> Vec<String> {
    let name = |line: Value| line["what"].as_str().expect("a name").to_owned();
    done.ok().json().into_iter().map(name).filter(|what| what != "unread").collect()
}

#[test]
fn a_late_joiner_reads_the_story_takes_over_and_the_sender_can_leave() {
    let family = Family::new();
    family.anne(&["send", "fam", "De buren belden."]).ok();
    family.bo(&["send", "fam", "Moeder en kinderen zijn hier.", "--about", "kind-1", "--purpose", "opvang"]).ok();
    family.anne(&["send", "fam", "Het adres is geheim.", "--restricted"]).ok();
    family.anne(&["task", "create", "fam", "Bel de school", "--text", "Juf Els weet ervan."]).ok();
    family.anne(&["case", "add", "fam", "carla@opvang.example"]).ok();
    family.carla(&["status"]).ok();

    let words = ["--to", "carla", "--scope", "De zorg voor het gezin", "--situation", "Rustig."];
    let offer = |more: &[&str]| family.anne(&[&["handover", "offer", "fam"][..], &words, more].concat());
    let preview = offer(&["--preview"]).ok().json();
    let sections: Vec<_> = preview.iter().map(|line| line["title"].as_str().unwrap_or("left out")).collect();
    assert_eq!(sections, ["tasks", "history", "left out"]);
    let history = preview[1]["entries"].as_array().expect("entries");
    let authors: Vec<_> = history.iter().map(|entry| entry["author"].as_str().expect("an author")).collect();
    assert_eq!(authors, ["anne@politie.example", "bo@opvang.example"]);
    assert_eq!(history[1]["purpose"], "opvang", "what was shared for something says so");
    assert!(!family.anne(&["handover", "offer", "fam", "--preview"]).ok().out.contains("geheim"));
    assert_eq!(family.anne(&["handover", "list", "fam", "--all"]).ok().out, "", "nothing was sent");

    let secret = preview[2]["position"].to_string();
    refused(&family.anne(&["handover", "offer", "fam", "--to", "carla"]), 2);
    refused(&family.anne(&["handover", "offer", "fam", "--scope", "x", "--situation", "y"]), 2);
    let stranger = ["handover", "offer", "fam", "--to", "dirk", "--scope", "x", "--situation", "y"];
    assert!(refused(&family.anne(&stranger), 2).1.contains("kring case add"));
    refused(&offer(&["--leave-out", "99"]), 2);
    refused(&offer(&["--with-restricted", "99"]), 2);
    refused(&offer(&["--accept-by", "someday"]), 2);
    assert_eq!(offer(&["--urgency", "whenever"]).code, 2);
    let choice = |restricted: bool| {
        let entry = format!("{{\"item\":{secret},\"restricted\":{restricted}}}");
        let file = format!("{{\"sections\":[{{\"title\":\"Adres\",\"entries\":[{entry}]}}]}}");
        std::fs::write(family.place.path().join("choice.json"), file).expect("written");
    };
    choice(false);
    assert!(refused(&offer(&["--dossier", "choice.json"]), 3).1.contains("--with-restricted"));
    choice(true);
    let named = offer(&["--dossier", "choice.json", "--preview"]).ok().json();
    assert_eq!((named.len(), &named[0]["entries"][0]["text"]), (1, &"Het adres is geheim.".into()));
    let not_hers = ["handover", "offer", "fam", "--to", "carla", "--scope", "x", "--situation", "y"];
    refused(&family.bo(&not_hers), 3);

    let offered = offer(&["--coordinator", "carla", "--with-restricted", &secret, "--action", "bel de huisarts"]);
    let offered = offered.ok().json().remove(0);
    assert_eq!((&offered["type"], &offered["step"]), (&"handover_step".into(), &"offered".into()));
    refused(&family.anne(&["case", "leave", "fam"]), 3);
    refused(&family.anne(&["handover", "confirm", "fam"]), 3);

    assert_eq!(waits(family.carla(&["inbox"])), ["handover_open"]);
    assert!(refused(&family.carla(&["handover", "understand", "fam", "ik weet genoeg"]), 3).0.contains("1, 2, 3"));
    let (_, first) = refused(&family.carla(&["handover", "ready", "fam"]), 3);
    assert!(first.contains("kring handover open"), "{first}");
    refused(&family.carla(&["handover", "open", "fam", "4"]), 2);
    let mut said = Vec::new();
    for section in 1..=3 {
        let opened = family.carla(&["handover", "open", "fam"]).ok().json().remove(0);
        assert_eq!(opened["section"], section);
        let entries = opened["entries"].as_array().expect("entries").clone();
        assert!(entries.iter().all(|entry| entry["proven"] == true), "each is its author's");
        assert_eq!(
            fields(&entries[0]),
            [
                "about",
                "author",
                "device",
                "entry",
                "function",
                "item",
                "name",
                "organisation",
                "proven",
                "purpose",
                "relayed_at",
                "restricted",
                "sent_at",
                "shared_for",
                "source",
                "statement",
                "text"
            ]
        );
        said.extend(entries.iter().map(|entry| (entry["name"].clone(), entry["text"].clone())));
    }
    assert_eq!(said[1], ("Anne Jansen".into(), "De buren belden.".into()));
    assert_eq!(said[2], ("Bo de Vries".into(), "Moeder en kinderen zijn hier.".into()));
    assert_eq!(said[3], ("Anne Jansen".into(), "Het adres is geheim.".into()));
    let page = family.place.run(&["--profile", "carla", "handover", "open", "fam", "1", "--lang", "nl"]).ok();
    assert!(page.out.contains("ONDERDEEL 1 VAN 3: OPEN TAKEN") && page.out.contains("Juf Els"), "{page:?}");

    refused(&family.bo(&["handover", "ask", "fam", "mag ik?"]), 3);
    refused(&family.anne(&["handover", "answer", "fam", "ja"]), 3);
    family.carla(&["handover", "ask", "fam", "Is de school ingelicht?"]).ok();
    assert_eq!(waits(family.anne(&["inbox"])), ["task_unassigned", "handover_answer"]);
    family.anne(&["handover", "answer", "fam", "Ja, vrijdag."]).ok();
    family.carla(&["handover", "understand", "fam", "Ze zijn veilig."]).ok();
    assert_eq!(family.shown("anne")["next"][0]["what"], "confirm");
    family.anne(&["handover", "correct", "fam", "De school nog."]).ok();
    assert_eq!(family.shown("carla")["next"][0]["what"], "synthesis");
    family.carla(&["handover", "understand", "fam", "Ze zijn veilig, de school weet het."]).ok();
    let before = family.shown("anne");
    assert_eq!(
        fields(&before),
        [
            "accept_by",
            "actions",
            "assessment",
            "at",
            "background",
            "case",
            "contingency",
            "coordinator",
            "dossier",
            "from",
            "handover",
            "next",
            "questions",
            "receptions",
            "recommendation",
            "scope",
            "situation",
            "stage",
            "standing",
            "start_by",
            "to",
            "type",
            "urgency"
        ]
    );
    assert_eq!(
        fields(&before["receptions"][0]),
        ["correction", "opened", "ready", "received", "stage", "synthesis", "understood", "who"]
    );
    assert_eq!(before["questions"][0]["answer"], "Ja, vrijdag.");
    let (unconfirmed, _) = refused(&family.carla(&["handover", "ready", "fam"]), 3);
    assert!(unconfirmed.contains("anne@politie.example"), "{unconfirmed}");
    family.anne(&["handover", "confirm", "fam", "carla"]).ok();
    assert!(refused(&family.anne(&["handover", "complete", "fam"]), 3).0.contains("carla@"));
    family.carla(&["handover", "ready", "fam", "+1h"]).ok();
    let ready = family.shown("anne");
    assert_eq!((&ready["stage"], &ready["next"][0]["what"]), (&"ready".into(), &"complete".into()));
    let case = family.anne(&["case", "show", "fam"]).ok().json();
    let duties = case.iter().find(|line| line["type"] == "duties").expect("duties");
    assert_eq!(fields(duties), ["case", "closing", "holds", "responsible", "type"]);
    assert_eq!(duties["responsible"][0], "anne@politie.example", "until it is completed");
    family.anne(&["handover", "complete", "fam"]).ok();

    for name in ["anne", "bo", "carla"] {
        assert_eq!(family.shown(name)["stage"], "completed");
        let case = family.person(name, &["case", "show", "fam"]).ok().json();
        let duties = case.iter().find(|line| line["type"] == "duties").expect("duties");
        assert_eq!(duties["responsible"][0], "carla@opvang.example");
        let coordinator = case.iter().find(|line| line["role"] == "coordinator" && line["type"] == "member");
        assert_eq!(coordinator.expect("a coordinator")["address"], "carla@opvang.example");
    }
    refused(&family.carla(&["handover", "decline", "fam", "toch niet"]), 2);
    let items = family.anne(&["read", "fam"]).ok().json();
    let asked = items.iter().find(|item| item["statement"]["ask"].is_object()).expect("the question");
    let as_of = asked["record"].to_string();
    let then = family.anne(&["handover", "show", "fam", "--as-of", &as_of]).ok().json().remove(0);
    assert_eq!((&then["stage"], &then["questions"][0]["answer"]), (&"received".into(), &Value::Null));
    let timeline = family.bo(&["case", "timeline", "fam"]).ok().json();
    assert!(timeline.iter().any(|line| line["type"] == "handover" && line["stage"] == "completed"));
    // Every step is a line at its time, whether it was said or is a change that all had to agree on.
    let steps = course(&timeline, before["handover"].as_str().expect("an id"));
    let opened = ["opened"; 3];
    let asked = ["ask", "answer", "synthesis", "correct", "synthesis"];
    let agreed = ["confirmed", "ready", "completed"];
    assert_eq!(steps, [&["offer", "stands", "received"][..], &opened, &asked, &agreed].concat());
    let by_whom = timeline.iter().find(|line| line["what"] == "ready").expect("ready");
    assert_eq!(
        (&by_whom["by"], &by_whom["who"][0]),
        (&"carla@opvang.example".into(), &"carla@opvang.example".into())
    );
    let moved = timeline.iter().find(|line| line["what"] == "responsible").expect("responsible");
    assert_eq!(moved["who"][0], "carla@opvang.example");
    let then = family.bo(&["case", "timeline", "fam", "--as-of", &as_of]).ok().json();
    assert!(!then.iter().any(|line| line["what"] == "confirmed"), "as it was then");
    let page = family.place.run(&["--profile", "bo", "case", "timeline", "fam", "--lang", "nl"]).ok().out;
    assert!(page.contains("carla@opvang.example kan beginnen op"), "{page}");

    let mut follow = family.place.kring(&["--profile", "carla", "follow", "fam"]);
    let follow = Running(follow.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("starts"));
    family.anne(&["case", "leave", "fam", "--wait", "60"]).ok();
    drop(follow);
    assert_eq!(family.anne(&["case", "list"]).ok().json()[0]["status"], "left");
    refused(&family.carla(&["case", "leave", "fam"]), 3);
}

#[test]
fn a_handover_that_is_not_taken_says_why_and_moves_nothing() {
    let family = Family::new();
    family.anne(&["send", "fam", "De buren belden."]).ok();
    let words = ["--to", "bo", "--scope", "De zorg", "--situation", "Rustig.", "--dossier", "none"];
    family.anne(&[&["handover", "offer", "fam"][..], &words].concat()).ok();
    family.bo(&["status"]).ok();
    refused(&family.bo(&["handover", "open", "fam"]), 2);
    assert!(refused(&family.bo(&["handover", "withdraw", "fam", "nee"]), 3).1.contains("decline"));
    assert!(refused(&family.anne(&["handover", "decline", "fam", "nee"]), 3).1.contains("withdraw"));
    let done = family.bo(&["handover", "decline", "fam", "Wij hebben geen plaats."]).ok().json();
    assert_eq!(done[0]["step"], "declined");
    let declined = family.shown("anne");
    assert_eq!((&declined["stage"], &declined["reason"]), (&"declined".into(), &"Wij hebben geen plaats.".into()));
    refused(&family.anne(&["handover", "withdraw", "fam", "te laat"]), 2);
    let id = declined["handover"].as_str().expect("an id");
    let (over, _) = refused(&family.anne(&["handover", "withdraw", "fam", "te laat", "--handover", id]), 3);
    assert!(over.contains("bo@opvang.example"), "it says how it ended: {over}");

    let template = family.place.run(&[
        "--profile",
        "anne",
        "handover",
        "offer",
        "fam",
        "--to",
        "bo",
        "--scope",
        "De zorg",
        "--template",
    ]);
    let template = template.ok().out.replace("\"situation\": \"\"", "\"situation\": \"Onrustig.\"");
    std::fs::write(family.place.path().join("offer.json"), template).expect("written");
    family.anne(&["handover", "offer", "fam", "--input", "offer.json"]).ok();
    let offered = family.shown("bo");
    assert_eq!((&offered["situation"], &offered["dossier"][0]["title"]), (&"Onrustig.".into(), &"history".into()));
    let done = family.anne(&["handover", "withdraw", "fam", "Er is iets veranderd."]).ok().json();
    assert_eq!(done[0]["step"], "withdrawn");
    assert_eq!(family.bo(&["handover", "list", "fam"]).ok().out, "");
    let all = family.bo(&["handover", "list", "fam", "--all"]).ok().json();
    let stages: Vec<_> = all.iter().map(|line| line["stage"].as_str().expect("a stage")).collect();
    assert_eq!(stages, ["declined", "withdrawn"]);
    let timeline = family.bo(&["case", "timeline", "fam"]).ok().json();
    let withdrawn = offered["handover"].as_str().expect("an id");
    assert_eq!(course(&timeline, id), ["offer", "stands", "received", "declined", "reason"]);
    assert_eq!(course(&timeline, withdrawn), ["offer", "stands", "received", "withdrawn", "reason"]);
}

#[test]
fn a_case_is_closed_with_both_statements_and_erased_with_a_report_of_who_attests_it() {
    let family = Family::new();
    let close = |more: &[&str]| family.anne(&[&["case", "close", "fam"][..], more].concat());
    family.anne(&["task", "create", "fam", "Bel de school", "--text", "Vandaag."]).ok();
    assert!(refused(&close(&["--propose", "30"]), 3).0.contains("1 task"));
    family.anne(&["task", "cancel", "fam", "Is gebeurd."]).ok();
    assert!(refused(&close(&[]), 3).1.contains("--propose"));
    refused(&close(&["--state", "exported"]), 3);
    assert!(refused(&family.bo(&["case", "close", "fam", "--propose", "30"]), 3).1.contains("anne@"));
    assert_eq!(close(&["--propose", "30", "--withdraw"]).code, 2);
    assert_eq!(close(&["--propose", "soon"]).code, 2);
    close(&["--propose", "7"]).ok();
    close(&["--withdraw"]).ok();
    assert_eq!(close(&["--propose", "30"]).ok().json()[0]["change"], "closing_proposed");
    refused(&family.anne(&["case", "erase", "fam", "--yes"]), 3);
    let late = ["handover", "offer", "fam", "--to", "bo", "--scope", "x", "--situation", "y"];
    assert!(refused(&family.anne(&late), 3).1.contains("--withdraw"), "the case is about to be closed");
    assert_eq!(waits(family.bo(&["inbox"])), ["closing_statement"]);
    close(&["--state", "exported"]).ok();
    assert!(refused(&close(&[]), 3).0.contains("opvang.example"));
    let stated = family.bo(&["case", "close", "fam", "--state", "not-needed"]).ok().json();
    assert_eq!((&stated[0]["change"], &stated[0]["organisation"]), (&"stated".into(), &"opvang.example".into()));
    family.bo(&["case", "hold", "fam"]).ok();
    assert_eq!(waits(family.anne(&["inbox"])), ["closing"]);
    close(&[]).ok();
    refused(&family.anne(&["send", "fam", "nog iets"]), 3);

    let shown = family.bo(&["case", "show", "fam"]).ok().json();
    let duties = shown.iter().find(|line| line["type"] == "duties").expect("duties");
    assert_eq!((&duties["closing"]["stage"], &duties["holds"][0]), (&"closed".into(), &"opvang.example".into()));
    assert!(refused(&family.anne(&["case", "erase", "fam", "--yes"]), 3).0.contains("opvang.example"));
    refused(&family.anne(&["case", "hold", "fam", "--lift", "opvang.example"]), 3);
    refused(&family.anne(&["case", "hold", "fam", "--lift"]), 3);
    family.bo(&["case", "hold", "fam", "--lift"]).ok();
    assert_eq!(family.anne(&["case", "erase"]).code, 2);
    refused(&family.anne(&["case", "erase", "fam"]), 2);
    refused(&family.bo(&["case", "erase", "fam", "--yes"]), 3);

    let erased = family.anne(&["case", "erase", "fam", "--yes", "--wait", "3"]);
    assert_eq!(erased.code, 5, "Bo's device is not online: {erased:?}");
    assert!(!erased.err.contains("\"warning\""), "whoever orders it is not warned of it");
    let report = erased.json().remove(0);
    assert_eq!(fields(&report), ["at", "attested", "by", "case", "erased_at_relay", "missing", "type"]);
    assert_eq!(
        (&report["missing"][0]["address"], &report["erased_at_relay"]),
        (&"bo@opvang.example".into(), &Value::Null)
    );
    let told = family.bo(&["status"]).ok();
    assert!(told.err.contains("\"erasing\""), "Bo is told: {told:?}");
    assert_eq!(family.bo(&["case", "list"]).ok().out, "");
    let report = family.anne(&["case", "erase", "--report"]).ok().json().remove(0);
    assert_eq!(
        (report["attested"].as_array().map(Vec::len), &report["missing"]),
        (Some(2), &Value::Array(Vec::new()))
    );
    assert!(report["erased_at_relay"].is_string(), "{report}");
    assert_eq!(family.anne(&["case", "list"]).ok().out, "");
    refused(&family.anne(&["case", "erase", "--report", "ffffffffffffffff"]), 2);
}

#[test]
fn who_does_not_wait_for_a_missing_device_sees_it_reported_as_missing() {
    let family = Family::new();
    let close = |name: &str, more: &[&str]| family.person(name, &[&["case", "close", "fam"][..], more].concat()).ok();
    close("anne", &["--propose", "0"]);
    close("anne", &["--state", "not-needed"]);
    close("bo", &["--state", "not-needed"]);
    close("anne", &[]);
    let erased = family.anne(&["case", "erase", "fam", "--yes", "--wait", "2"]);
    let case = erased.json().remove(0)["case"].as_str().expect("an id").to_owned();
    let report = family.anne(&["case", "erase", &case, "--without-waiting"]).ok().json().remove(0);
    assert_eq!(report["missing"][0]["address"], "bo@opvang.example");
    assert!(report["erased_at_relay"].is_string(), "{report}");
}
