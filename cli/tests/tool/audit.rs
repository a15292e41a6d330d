//! `kring audit`: what is recorded, how it is checked, exported and forwarded, and that changes are named.

use serde_json::Value;

use crate::support::Place;

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// A device that has done a few things, and whose store somebody tried to open.
fn used() -> Place {
    let place = Place::new();
    place.profile_without_a_relay();
    let anne = |words: &[&str]| place.run(&[&["--profile", "anne", "--offline"][..], words].concat());
    assert_eq!(anne(&["case", "new", "Familie Voorbeeld"]).code, 5);
    anne(&["send", "fam", "--about", "kind-2", "--purpose", "veiligheidsplan", "Goedemorgen."]).ok();
    anne(&["read", "fam"]).ok();
    assert_eq!(anne(&["case", "remove", "fam", "anne@politie.example"]).code, 2);
    assert_eq!(anne(&["--passphrase-file", "other", "status"]).code, 7);
    place
}

#[test]
fn what_was_done_tried_and_looked_at_is_recorded_with_the_fields_of_the_norm() {
    let place = used();
    let log = lines(&place.run(&["--profile", "anne", "audit", "export"]).ok().out);
    let of = |event: &str| log.iter().find(|entry| entry["event"] == event).unwrap_or_else(|| panic!("{event}"));
    let written = of("item_written");
    for (field, value) in [
        ("action", "C"),
        ("outcome", "done"),
        ("user_name", "Anne Jansen"),
        ("user_function", "police"),
        ("user_role", "coordinator"),
        ("authority", "Politie"),
        ("about", "kind-2"),
        ("purpose", "veiligheidsplan"),
        ("kind", "text/markdown"),
    ] {
        assert_eq!(written[field], value, "{field}");
    }
    assert!(
        written["user"]
            .as_str()
            .is_some_and(|user| user.contains("anne@politie.example") || user.contains("politie"))
    );
    assert!(written["at"].as_str().is_some_and(|at| at.ends_with('Z')));
    assert_eq!(of("opening_failed")["outcome"], "failed");
    assert_eq!(
        (&of("member_removed")["outcome"], &of("member_removed")["reason"]),
        (&"refused".into(), &"Oneself".into())
    );
    assert_eq!((&of("viewed")["action"], &of("viewed")["kind"]), (&"R".into(), &"items".into()));
    assert!(log.iter().enumerate().all(|(at, entry)| entry["entry"] == at as u64 + 1));
    // The export itself is recorded too.
    let after = lines(&place.run(&["--profile", "anne", "audit", "export"]).ok().out);
    assert!(after.iter().any(|entry| entry["event"] == "audit_exported"));
    let verified = place.run(&["--profile", "anne", "audit", "verify", "--json"]).ok().json();
    assert!(verified[0]["entries"].as_u64().is_some_and(|entries| entries > log.len() as u64));
}

#[test]
fn an_archive_is_kept_up_to_date_and_every_change_of_it_is_named() {
    let place = used();
    let certificate = "kring-admin/devices/politie.example/anne/device.pem";
    for name in ["archive.ndjson", "archive.csv"] {
        let file = place.path().join(name);
        let forward =
            || place.run(&["--profile", "anne", "audit", "forward", "--to", name, "--json"]).ok().json()[0].clone();
        let first = forward();
        assert!(first["forwarded"].as_u64().is_some_and(|count| count >= 6));
        let second = forward();
        assert!(
            second["forwarded"].as_u64().is_some_and(|count| (1..6).contains(&count)),
            "only what is new: {second}"
        );

        // Cut off in the middle of a line, as by a full disk: it is written again.
        let whole = std::fs::read_to_string(&file).expect("there");
        std::fs::write(&file, &whole[..whole.len() - 30]).expect("written");
        forward();
        let whole = std::fs::read_to_string(&file).expect("there");
        let check = || place.run(&["audit", "verify", "--file", name, "--certificate", certificate, "--json"]);
        let entries = check().ok().json()[0]["entries"].as_u64().expect("a number");
        let header = usize::from(name.ends_with("csv"));
        assert_eq!(entries as usize, whole.lines().count() - header);

        let all: Vec<&str> = whole.lines().collect();
        let without = |left_out: usize| -> String {
            let kept = all.iter().enumerate().filter(|(at, _)| *at != left_out + header);
            kept.map(|(_, line)| format!("{line}\n")).collect()
        };
        let mut swapped = all.clone();
        swapped.swap(2 + header, 3 + header);
        for (text, number) in [
            (whole.replacen("kind-2", "kind-1", 1), None),
            (without(2), Some("entry 3")),
            (swapped.join("\n"), Some("entry 3")),
        ] {
            std::fs::write(&file, text).expect("written");
            let broken = check();
            assert_eq!(broken.code, 9, "{broken:?}");
            assert!(number.is_none_or(|number| broken.err.contains(number)), "{broken:?}");
        }
        // One whose end is gone is whole, until it is said how much there was.
        std::fs::write(&file, without(all.len() - header - 1)).expect("written");
        assert_eq!(check().ok().json()[0]["entries"], entries - 1);
        let count = entries.to_string();
        let counted = ["audit", "verify", "--file", name, "--certificate", certificate, "--entries", &count];
        let short = place.run(&counted);
        assert_eq!(short.code, 9, "{short:?}");
        assert!(short.err.contains(&format!("entry {entries}: it is missing at the end")), "{short:?}");
        std::fs::write(&file, &whole).expect("written");
        place.run(&counted).ok();
        // One whose end was changed is not gone on with.
        let (most, last) = whole.trim_end().rsplit_once('\n').expect("lines");
        let changed = last.replacen("done", "failed", 1);
        assert_ne!(changed, last);
        std::fs::write(&file, format!("{most}\n{changed}\n")).expect("written");
        assert_eq!(place.run(&["--profile", "anne", "audit", "forward", "--to", name]).code, 3);
    }
}

#[test]
fn an_archive_follows_every_command_and_outlives_the_device() {
    let place = used();
    let mut list = place.kring(&["--profile", "anne", "--offline", "case", "list"]);
    assert!(list.env("KRING_AUDIT_ARCHIVE", "archive.ndjson").output().expect("runs").status.success());
    let archive = std::fs::read_to_string(place.path().join("archive.ndjson")).expect("there");
    assert!(archive.lines().count() >= 6);
    place.run(&["--profile", "anne", "wipe", "--now"]).ok();
    let certificate = "kring-admin/devices/politie.example/anne/device.pem";
    place.run(&["audit", "verify", "--file", "archive.ndjson", "--certificate", certificate]).ok();
    let other = "kring-admin/devices/opvang.example/bo/device.pem";
    let foreign = place.run(&["audit", "verify", "--file", "archive.ndjson", "--certificate", other]);
    assert_eq!(foreign.code, 9, "another device's certificate: {foreign:?}");
}
