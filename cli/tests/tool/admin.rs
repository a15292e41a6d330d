//! Administration without a relay: locked keys, ledgers, authorities that are brought, renewed and cross-signed, lists.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::Place;

fn serials(place: &Place, words: &[&str]) -> Vec<(String, String, String)> {
    let shown = place.run(&[&["admin", "--json"][..], words].concat()).ok();
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    shown
        .json()
        .iter()
        .filter(|line| line["type"] == "certificate")
        .map(|line| (text(&line["name"]), text(&line["serial"]), text(&line["state"])))
        .collect()
}

#[test]
fn no_key_of_an_authority_or_device_lies_there_unlocked_and_a_wrong_passphrase_opens_none() {
    let place = Place::new();
    place.certificates();
    for file in [
        "region/root.key",
        "organisations/politie.example/organisation.key",
        "devices/politie.example/anne/device.key",
    ] {
        let text = std::fs::read_to_string(place.path().join("kring-admin").join(file)).expect("there");
        assert!(text.starts_with("-----BEGIN KRING LOCKED KEY-----"), "{file}");
    }
    let another = ["admin", "device", "new", "x@politie.example", "--name", "X", "--function", "police"];
    let wrong = place.run(&[&another[..], &["--passphrase-file", "other", "--json"]].concat());
    assert_eq!(wrong.code, 7, "{wrong:?}");
    assert!(wrong.err.contains("passphrase does not open"), "{wrong:?}");
    assert!(!place.path().join("kring-admin/devices/politie.example/x").exists(), "and nothing was left behind");
    let before = serials(&place, &["list", "--all"]).len();
    // The administrator's own file goes before the general one.
    let mut right = place.kring(&[&another[..], &["--passphrase-file", "other"]].concat());
    assert!(right.env("KRING_ADMIN_PASSPHRASE_FILE", "pass").status().expect("runs").success());
    assert_eq!(serials(&place, &["list", "--all"]).len(), before + 1, "and only what was signed is in the ledger");
    // A passphrase as an argument is not even understood.
    assert_eq!(place.run(&[&another[..], &["--passphrase", "x"]].concat()).code, 2);
}

#[test]
fn what_was_signed_is_listed_shown_and_told_of_before_it_ends() {
    let place = Place::new();
    place.certificates();
    let short = ["admin", "device", "new", "kort@politie.example", "--name", "K", "--function", "police"];
    place.run(&[&short[..], &["--days", "20"]].concat()).ok();
    let listed = serials(&place, &["list"]);
    assert_eq!(listed.len(), 7, "a region, a relay, two organisations, three devices: {listed:?}");
    assert!(listed.iter().all(|(_, _, state)| state == "valid"));
    let names = |found: Vec<(String, String, String)>| found.into_iter().map(|(name, _, _)| name).collect::<Vec<_>>();
    assert_eq!(names(serials(&place, &["expiring", "--within", "60d"])), ["kort@politie.example"]);
    assert_eq!(names(serials(&place, &["expiring", "--within", "12h"])), [""; 0]);
    let within = serials(&place, &["expiring", "--within", "400d"]);
    assert_eq!(within.len(), 4, "three devices and a relay end within a year and a bit: {within:?}");
    assert_eq!(place.run(&["admin", "expiring", "--within", "soon"]).code, 2);
    let shown = place.run(&["admin", "show", "anne@politie.example", "--json"]).ok().json();
    assert_eq!((&shown[0]["called"], &shown[0]["functions"][0]), (&"Anne Jansen".into(), &"police".into()));
    let by_serial = serials(&place, &["show", &listed[4].1[..8]]);
    assert_eq!(by_serial[0].0, listed[4].0);
    assert_eq!(place.run(&["admin", "show", "nobody@politie.example"]).code, 2);
}

#[test]
fn a_person_is_revoked_with_all_their_devices_on_a_list_whose_number_rises() {
    let place = Place::new();
    place.certificates();
    let second = ["admin", "device", "new", "anne@politie.example", "--name", "Anne Jansen", "--function", "police"];
    place.run(&[&second[..], &["--label", "tablet"]].concat()).ok();
    // No relay is known here, so that the list is signed and kept, and the end says so.
    let revoked = place.run(&["admin", "revoke", "anne@politie.example", "--reason", "left", "--json"]);
    assert_eq!(revoked.code, 1, "{revoked:?}");
    let lines = revoked.json();
    let of = |kind: &str| lines.iter().filter(|line| line["type"] == kind).cloned().collect::<Vec<_>>();
    assert_eq!(of("revoked").len(), 2, "both devices: {lines:?}");
    let list = &of("list")[0];
    assert_eq!(
        (&list["whose"], &list["number"], &list["revoked"]),
        (&"politie.example".into(), &1.into(), &2.into())
    );
    let file = place.path().join("kring-admin/organisations/politie.example/revoked.pem");
    assert!(std::fs::read_to_string(&file).expect("there").starts_with("-----BEGIN X509 CRL-----"));
    let states = serials(&place, &["show", "anne@politie.example"]);
    assert!(states.iter().all(|(_, _, state)| state == "revoked") && states.len() == 2, "{states:?}");
    let again = place.run(&["admin", "revoke", "anne@politie.example", "--reason", "lost"]);
    assert!(again.code == 1 && again.err.contains("handed over again"), "nobody has it yet: {again:?}");
    assert!(again.out.contains("List 2 of politie.example: 2 revoked"), "{again:?}");
    assert_eq!(place.run(&["admin", "revoke", "bo", "--reason", "left"]).code, 2, "nobody is called so");
    assert_eq!(place.run(&["admin", "revoke", "bo@opvang.example", "--reason", "angry"]).code, 2);
    let region = place.run(&["admin", "revoke", "opvang.example", "--reason", "unused", "--json"]);
    let lines = region.json();
    let whose: Vec<_> = lines.iter().filter(|line| line["type"] == "list").map(|line| &line["whose"]).collect();
    assert_eq!(whose, ["the region"], "an organisation is on the region's list");
    let empty = place.run(&["admin", "--folder", "nothing", "crl", "refresh"]);
    assert!(empty.code == 1 && empty.err.contains("there is no list to sign"), "{empty:?}");
}

/// Runs openssl, where there is one; the check that CI runs installs it.
fn openssl(folder: &Path, arguments: &str) -> bool {
    match Command::new("openssl").current_dir(folder).args(arguments.split_whitespace()).output() {
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success(), "openssl {arguments}: {said}");
            true
        }
        Err(error) if std::env::var_os("CI").is_none() => {
            eprintln!("not tried, there is no openssl here: {error}");
            false
        }
        Err(error) => panic!("openssl is needed here: {error}"),
    }
}

#[test]
fn an_organisation_brings_an_authority_of_its_own_that_speaks_for_itself_alone() {
    let place = Place::new();
    place.run(&["admin", "region", "new", "Proefregio"]).ok();
    let kinds = [
        ("rsa", "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out rsa.key"),
        ("sec1", "ecparam -name prime256v1 -genkey -noout -out sec1.key"),
        ("pkcs1", "genrsa -traditional -out pkcs1.key 2048"),
    ];
    for (name, make) in kinds {
        if !openssl(place.path(), make) {
            return;
        }
        openssl(place.path(), &format!("req -new -key {name}.key -subj /O=Whatever -out {name}.csr"));
        let domain = format!("{name}.example");
        let (csr, out, key) = (format!("{name}.csr"), format!("{name}.pem"), format!("{name}.key"));
        let sign =
            ["admin", "region", "sign", &csr, "--name", "Gemeente", "--domain", &domain, "--function", "social-team"];
        assert_eq!(
            place.run(&[&sign[..], &["--out", &out, "--days", "0"]].concat()).code,
            2,
            "over before it begins"
        );
        place.run(&[&sign[..], &["--out", &out]].concat()).ok();
        let folder = format!("of-{name}");
        let there = |words: &[&str]| place.run(&[&["admin", "--folder", &folder][..], words].concat());
        assert_eq!(there(&["organisation", "import", &out]).code, 2, "without its key");
        there(&["organisation", "import", &out, "--key", &key]).ok();
        let device = |address: String, function: &str| {
            there(&["device", "new", &address, "--name", "Anne Jansen", "--function", function])
        };
        device(format!("anne@{domain}"), "social-team").ok();
        assert_eq!(device(format!("vt@{domain}"), "veilig-thuis").code, 3, "not a function of this organisation");
        assert_eq!(device("anne@politie.example".to_owned(), "social-team").code, 1, "another organisation's domain");
        let set_up = format!("{folder}/devices/{domain}/anne");
        place.run(&["--profile", name, "setup", "--device", &set_up, "--relay", "127.0.0.1:9"]).ok();
    }
    let mixed = ["admin", "--folder", "mixed", "organisation", "import", "rsa.pem", "--key", "sec1.key"];
    assert_eq!(place.run(&mixed).code, 1, "another authority's key");
    assert!(!place.path().join("mixed/organisations/rsa.example").exists());
}

#[test]
fn an_authority_is_renewed_with_its_key_and_with_a_new_one_and_what_it_signed_stays() {
    let place = Place::new();
    place.certificates();
    let device = |address: &str| {
        place.run(&["admin", "device", "new", address, "--name", "X", "--function", "police"]).ok();
        let name = address.split('@').next().expect("a name").to_owned();
        let folder = format!("kring-admin/devices/politie.example/{name}");
        place.run(&["--profile", &name, "setup", "--device", &folder, "--relay", "127.0.0.1:9"]).ok();
    };
    device("een@politie.example");
    place.run(&["admin", "organisation", "renew", "politie.example"]).ok();
    device("twee@politie.example");
    place.run(&["admin", "organisation", "renew", "politie.example", "--new-key"]).ok();
    device("drie@politie.example");
    let states = serials(&place, &["show", "politie.example"]);
    let states: Vec<_> = states.iter().map(|(_, _, state)| state.as_str()).collect();
    assert_eq!(states, ["replaced", "replaced", "valid"]);

    // On a machine of its own, the organisation asks and the region signs.
    let ask = ["admin", "organisation", "request", "politie.example", "--out", "again.csr", "--new-key"];
    place.run(&ask).ok();
    let sign = ["admin", "region", "sign", "again.csr", "--name", "Politie", "--domain", "politie.example"];
    place.run(&[&sign[..], &["--function", "police", "--out", "again.pem"]].concat()).ok();
    place.run(&["admin", "organisation", "import", "again.pem"]).ok();
    device("vier@politie.example");

    // The first key's list and the newest key's, since both have devices.
    let revoked = place.run(&["admin", "revoke", "een@politie.example", "--reason", "lost", "--json"]);
    let numbers: Vec<_> =
        revoked.json().iter().filter(|line| line["type"] == "list").map(|line| line["revoked"].clone()).collect();
    assert_eq!(numbers, [0, 0, 1], "newest key first: {revoked:?}");
    let foreign = Place::new();
    foreign.run(&["admin", "region", "new", "Andere regio"]).ok();
    std::fs::copy(place.path().join("again.csr"), foreign.path().join("again.csr")).expect("copied");
    foreign.run(&[&sign[..], &["--function", "police", "--out", "foreign.pem"]].concat()).ok();
    std::fs::copy(foreign.path().join("foreign.pem"), place.path().join("foreign.pem")).expect("copied");
    assert_eq!(place.run(&["admin", "organisation", "import", "foreign.pem"]).code, 3, "another region's");
}
