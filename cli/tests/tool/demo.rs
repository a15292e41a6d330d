//! The demo as a whole: every check holds, and stopped in the middle it leaves nothing behind.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use crate::support::{Place, Running};

#[test]
fn every_check_of_the_demo_holds() {
    let place = Place::new();
    let done = place.run(&["demo", "--json", "--keep", "kept"]).ok();
    let lines = done.json();
    let checks: Vec<_> = lines.iter().filter(|line| line["type"] == "check").collect();
    let names: Vec<_> = checks.iter().map(|line| line["check"].as_str().expect("text")).collect();
    assert_eq!(
        names,
        [
            "complete",
            "same_items",
            "commit_race",
            "kept",
            "responsible",
            "same_state",
            "ladder",
            "plan_in_force",
            "story_once",
            "removed_ended",
            "removed_refused",
            "removed_sealed",
            "database",
            "log"
        ]
    );
    assert!(checks.iter().all(|line| line["holds"] == true), "{checks:#?}");
    let messages = lines.iter().filter(|line| line["kind"] == "message").count();
    assert!(messages >= 60);
    let evidence = |check: &str| {
        let found = checks.iter().find(|line| line["check"] == check).expect("made");
        found["evidence"].as_array().expect("a list").iter().map(|line| line.as_str().expect("text").to_owned())
    };
    let story = |check: &str| evidence(check).collect::<Vec<_>>().join("\n");
    assert!(story("responsible").starts_with("Noor Haddad from record 1 on, then Thijs Mulder from record"));
    assert!(story("same_state").contains("at 6 devices") && story("same_state").contains("Thijs Mulder (joined at"));
    let ladder = story("ladder");
    assert!(ladder.contains("1 of 1 expected steps"), "{ladder}");
    let (looked, acted) = (ladder.find("Marleen Kuipers only looked"), ladder.find("Noor Haddad took action"));
    assert!(looked < acted && looked.is_some(), "{ladder}");

    // The plan that is printed is the one whose hash two organisations have approved.
    let plan = lines.iter().find(|line| line["type"] == "plan_in_force").expect("printed");
    let approved = story("plan_in_force");
    assert!(approved.contains(plan["hash"].as_str().expect("a hash")), "{approved}");
    for by in ["Noor Haddad of Veilig Thuis Rijnveen", "Ruben van Dalen of Politie Basisteam Rijnveen"] {
        assert!(approved.contains(&format!("approved at this hash by {by}")), "{approved}");
    }
    assert!(plan["text"].as_str().expect("Markdown").contains("## If it happens again"), "{plan}");
    let told = story("story_once");
    assert!(told.contains("Joost Verhagen 4"), "his words are proven although he is gone: {told}");
    assert_eq!(lines.last().expect("lines")["holds"], true);

    // What is kept can be opened with the passphrase that lies beside it.
    let devices = place.path().join("kept/devices");
    let profile = std::fs::read_dir(devices).expect("there").next().expect("a device").expect("an entry").path();
    let profile = profile.to_str().expect("text");
    let read =
        ["--profile", profile, "--passphrase-file", "kept/passphrase.txt", "--offline", "--json", "case", "list"];
    assert_eq!(place.run(&read).ok().json()[0]["title"], "Gezin Terhorst-Kowalska");
}

#[test]
fn stopped_in_the_middle_it_leaves_no_relay_and_no_folder() {
    for signal in ["INT", "TERM", "HUP"] {
        let place = Place::new();
        let mut demo = place.kring(&["demo", "--pace", "--json"]);
        let mut demo = Running(demo.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("starts"));
        let lines = BufReader::new(demo.0.stdout.take().expect("piped")).lines().map_while(Result::ok);
        let mut messages = lines.filter(|line| line.contains("\"message\""));
        assert!(messages.next().is_some(), "it plays");
        assert!(relays_in(&place) > 0, "its relay runs");
        demo.signal(signal);
        assert_eq!(demo.0.wait().expect("ends").code(), Some(130));
        assert_eq!(relays_in(&place), 0);
        let left =
            std::fs::read_dir(place.path()).expect("a folder").map(|entry| entry.expect("an entry").file_name());
        let left: Vec<_> = left.filter(|name| name.to_string_lossy().starts_with("kring-demo-")).collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

/// Processes whose arguments name a file below the test's folder.
fn relays_in(place: &Place) -> usize {
    let folder = place.path().to_str().expect("text");
    let processes = std::fs::read_dir("/proc").expect("a Linux system").filter_map(Result::ok);
    let arguments = processes.filter_map(|process| std::fs::read(process.path().join("cmdline")).ok());
    arguments.filter(|arguments| String::from_utf8_lossy(arguments).contains(folder)).count()
}
