//! What the tool says without a relay: usage, certificates as files, profiles, and exit codes.

use std::os::unix::fs::PermissionsExt as _;

use crate::support::Place;

#[test]
fn what_cannot_be_understood_ends_with_2_and_says_how_it_is_meant() {
    let place = Place::new();
    for words in [&["send"][..], &["frobnicate"], &["case", "role", "x"], &["--wait", "-1", "status"]] {
        let done = place.run(words);
        assert_eq!(done.code, 2, "{done:?}");
        assert!(done.out.is_empty() && done.err.contains("Usage") || done.err.contains("error"), "{done:?}");
    }
}

#[test]
fn every_command_has_help() {
    let place = Place::new();
    for words in [
        &["--help"][..],
        &["admin", "--help"],
        &["setup", "--help"],
        &["case", "--help"],
        &["send", "--help"],
        &["read", "--help"],
        &["follow", "--help"],
        &["demo", "--help"],
        &["audit", "--help"],
        &["wipe", "--help"],
        &["alert", "--help"],
        &["plan", "--help"],
        &["handover", "--help"],
        &["handover", "offer", "--help"],
        &["case", "close", "--help"],
        &["case", "hold", "--help"],
        &["case", "erase", "--help"],
    ] {
        let done = place.run(words).ok();
        assert!(done.out.contains("EXAMPLES"), "{words:?}");
    }
    assert!(place.run(&["relay", "--help"]).ok().out.contains("check-config"));
    assert!(place.run(&["status", "--help"]).ok().out.contains("Usage"));
}

#[test]
fn certificates_are_files_that_are_never_overwritten_and_keys_are_their_owners_alone() {
    let place = Place::new();
    place.certificates();
    let again = place.run(&["admin", "region", "new", "Proefregio", "--json"]);
    assert_eq!((again.code, again.out.as_str()), (3, ""));
    let error: serde_json::Value = serde_json::from_str(&again.err).expect("JSON");
    assert_eq!((&error["type"], &error["error"], &error["exit"]), (&"error".into(), &"refused".into(), &3.into()));

    let mut keys = 0;
    let mut folders = vec![place.path().join("kring-admin")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry")) {
            let mode = entry.metadata().expect("there").permissions().mode();
            if entry.file_type().expect("a type").is_dir() {
                assert_eq!(mode & 0o077, 0, "{:?}", entry.path());
                folders.push(entry.path());
            } else if entry.path().extension().is_some_and(|end| end == "key") {
                assert_eq!(mode & 0o177, 0, "{:?}", entry.path());
                keys += 1;
            }
        }
    }
    assert_eq!(keys, 7, "a region's, two organisations', two devices', a relay's two");
}

#[test]
fn an_organisation_issues_for_its_own_people_and_functions_only() {
    let place = Place::new();
    place.certificates();
    let device = |address: &str, function: &str| {
        place.run(&["admin", "device", "new", address, "--name", "X", "--function", function])
    };
    assert_eq!(device("x@politie.example", "shelter").code, 3);
    assert_eq!(device("x@nobody.example", "police").code, 1);
    assert_eq!(device("x", "police").code, 2);
    let second = ["admin", "device", "new", "anne@politie.example", "--name", "Anne Jansen", "--function", "police"];
    assert_eq!(place.run(&second).code, 3);
    place.run(&[&second[..], &["--label", "tablet"]].concat()).ok();
}

#[test]
fn a_faulty_configuration_is_named_with_its_lines() {
    let place = Place::new();
    place.certificates();
    let config = place.path().join("kring-admin/relays/127.0.0.1/relay.toml");
    place.run(&["relay", "check-config", "--config", config.to_str().expect("text")]).ok();
    let text = std::fs::read_to_string(&config).expect("there");
    std::fs::write(&config, text.replace("data = ", "dota = ")).expect("written");
    let done = place.run(&["relay", "check-config", "--config", config.to_str().expect("text")]);
    assert_eq!(done.code, 3);
    assert!(done.err.contains("line ") && done.err.contains("dota"), "{done:?}");
}

#[test]
fn a_profile_needs_its_passphrase_and_there_is_no_profile_without_setup() {
    let place = Place::new();
    place.certificates();
    assert_eq!(place.run(&["status"]).code, 1);
    let setup = ["setup", "--device", "kring-admin/devices/politie.example/anne", "--relay", "127.0.0.1:9"];
    let short = place.path().join("short");
    std::fs::write(&short, "kort\n").expect("written");
    assert_eq!(place.run(&[&setup[..], &["--passphrase-file", "short"]].concat()).code, 2);
    let made = place.run(&[&setup[..], &["--json"]].concat()).ok();
    assert_eq!(made.json()[0]["type"], "profile");
    assert_eq!(place.run(&setup).code, 1, "a profile is not overwritten");

    let wrong = place.run(&["status", "--offline", "--passphrase-file", "other", "--json"]);
    assert_eq!(wrong.code, 7);
    assert!(wrong.err.contains("\"locked\"") && wrong.err.contains("advice"), "{wrong:?}");
    let status = place.run(&["status", "--offline", "--json"]).ok();
    assert_eq!(status.json()[0]["link"], "offline");
    let asked = place.kring(&["status", "--offline"]).env_remove("KRING_PASSPHRASE_FILE").output().expect("runs");
    assert_eq!(asked.status.code(), Some(2), "without a terminal there is nobody to ask");
}

#[test]
fn a_relay_that_does_not_answer_is_said_and_what_is_sent_waits() {
    let place = Place::new();
    place.certificates();
    // Nothing listens on the discard port.
    place.run(&["setup", "--device", "kring-admin/devices/politie.example/anne", "--relay", "127.0.0.1:9"]).ok();
    assert_eq!(place.run(&["status", "--wait", "1"]).code, 8);
    assert_eq!(place.run(&["case", "new", "Familie A", "--wait", "1"]).code, 5);
    let sent = place.run(&["send", "fam", "hallo", "--wait", "1", "--json"]);
    assert_eq!(sent.code, 4);
    assert!(sent.err.contains("not_delivered"), "{sent:?}");
    let queued = place.run(&["send", "fam", "hallo", "--no-wait", "--json"]).ok();
    assert_eq!((&queued.json()[0]["state"], &queued.json()[0]["record"]), (&"queued".into(), &().into()));
    place.run(&["case", "new", "Familie B", "--offline", "--wait", "0"]);
    let both = place.run(&["send", "familie", "x", "--no-wait"]);
    assert_eq!(both.code, 2);
    assert!(both.err.contains("Familie A") && both.err.contains("Familie B"), "{both:?}");
    assert_eq!(place.run(&["send", "familie a", "  ", "--no-wait"]).code, 2, "nothing to say");
}

#[test]
fn a_scenario_that_cannot_be_played_is_refused_with_its_line() {
    let place = Place::new();
    std::fs::write(place.path().join("bad.toml"), "title = \"T\"\ninvented = true\nstep = 1\n").expect("written");
    let done = place.run(&["demo", "--scenario", "bad.toml"]);
    assert_eq!(done.code, 2);
    assert!(done.err.contains("line 3") || done.err.contains("line 1"), "{done:?}");
    assert_eq!(place.run(&["demo", "--scenario", "nothing.toml"]).code, 1);
}

#[test]
fn people_are_answered_in_their_language_and_machines_always_the_same() {
    let place = Place::new();
    place.profile_without_a_relay();
    let anne = |words: &[&str]| place.run(&[&["--profile", "anne", "--offline"][..], words].concat());
    assert_eq!(anne(&["case", "new", "Familie Voorbeeld"]).code, 5);
    assert!(anne(&["case", "list"]).ok().out.contains("opening, coordinator, 1 device"));
    assert!(anne(&["case", "list", "--lang", "nl"]).ok().out.contains("wordt geopend, regisseur, 1 apparaat"));
    let mut by_locale = place.kring(&["--profile", "anne", "--offline", "read", "niets"]);
    let refused = by_locale.env("LC_ALL", "nl_NL.UTF-8").output().expect("runs");
    let refused = String::from_utf8(refused.stderr).expect("text");
    assert!(refused.starts_with("fout: geen casus begint met \"niets\"\n  wat u kunt doen: "), "{refused}");
    let (english, dutch) =
        (anne(&["case", "show", "fam", "--json"]), anne(&["case", "show", "fam", "--json", "--lang", "nl"]));
    assert_eq!(english.ok().out, dutch.ok().out);
    let help = place.run(&["--lang", "nl", "send", "--help"]).ok();
    assert!(help.out.contains("Waarom het wordt gedeeld") && !help.out.contains("Why it is shared"), "{help:?}");
    assert!(place.run(&["send", "--help"]).ok().out.contains("Why it is shared"));
}

#[test]
fn times_are_shown_in_the_zone_that_the_user_chose() {
    let place = Place::new();
    place.profile_without_a_relay();
    let status =
        |zone: &[&str]| place.run(&[&["--profile", "anne", "--offline", "status"][..], zone].concat()).ok().out;
    let until = |out: String| out.lines().find(|line| line.contains("valid until")).expect("a line").to_owned();
    assert_eq!(until(status(&[])), until(status(&["--zone", "Europe/Amsterdam"])));
    assert_ne!(until(status(&[])), until(status(&["--zone", "America/Curacao"])));
    assert_eq!(place.run(&["--zone", "Europe/Nowhere", "status"]).code, 2);
}
