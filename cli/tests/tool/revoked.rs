//! Whom an administrator revokes is out, whichever organisation's they are, and whatever went before; what a list
//! that is overdue does to those who stay; and what they do then: compare numbers, take over a case.

use std::collections::BTreeSet;
use std::time::SystemTime;

use kring_pki::form::{DisplayName, FunctionCode};
use kring_pki::issue::{Algorithm, OrganisationSubject, PrivateKey, RegionRoot, Validity};
use kring_pki::pem;
use kring_protocol::ids::Timestamp;
use serde_json::Value;

use crate::support::{PASSPHRASE, Place};

#[test]
fn after_an_organisation_people_of_others_are_revoked_as_before_and_a_case_without_a_coordinator_is_claimed() {
    let place = Place::new();
    place.certificates();
    let (_relay, address) = place.relay();
    place.run(&["admin", "relay", "use", &address]).ok();
    place.profiles(&address);
    place.run(&["admin", "device", "new", "jos@politie.example", "--name", "Jos", "--function", "police"]).ok();
    let device = "kring-admin/devices/politie.example/jos";
    place.run(&["--profile", "jos", "setup", "--device", device, "--relay", &address]).ok();
    place.run(&["--profile", "jos", "case", "new", "Familie Voorbeeld"]).ok();
    place.run(&["--profile", "jos", "case", "add", "fam", "anne@politie.example"]).ok();
    // Read out over the telephone: the same on both.
    let numbers = |who: &str| {
        let lines = place.run(&["--profile", who, "--json", "case", "verify", "fam"]).ok().json();
        let shown = lines.iter().map(|line| format!("{} {} {}", line["epoch"], line["device"], line["number"]));
        shown.collect::<BTreeSet<_>>()
    };
    let (of_anne, of_jos) = (numbers("anne"), numbers("jos"));
    assert_eq!(of_anne.len(), 3, "the case and two devices: {of_anne:?}");
    assert_eq!(of_anne, of_jos);

    let handed = |words: &[&str]| {
        let lines = place.run(&[&["admin", "--json"][..], words].concat()).ok().json();
        let handed = lines.into_iter().filter(|line| line["type"] == "handed");
        handed
            .map(|line| (line["whose"].as_str().expect("text").to_owned(), line["number"].clone()))
            .collect::<Vec<_>>()
    };
    let list = |whose: &str, number: u64| (whose.to_owned(), Value::from(number));
    let out = |who: &str| {
        let status = place.run(&["--profile", who, "status", "--wait", "5"]);
        assert!(status.code == 3 && status.err.contains("revoked"), "{status:?}");
    };
    // The first in the alphabet, in whose name nothing can be handed over afterwards.
    assert_eq!(handed(&["revoke", "opvang.example", "--reason", "left"]), [list("the region", 1)]);
    out("bo");
    assert_eq!(handed(&["revoke", "jos@politie.example", "--reason", "left"]), [list("politie.example", 1)]);
    out("jos");
    // Before anything is said he is taken out, and nobody has his role.
    place.run(&["--profile", "anne", "send", "fam", "Wie neemt het over?"]).ok();
    let claimed = place.run(&["--profile", "anne", "--json", "case", "claim", "fam"]).ok().json();
    assert_eq!(
        (&claimed[0]["coordinator"], &claimed[0]["claimed_by"]),
        (&"anne@politie.example".into(), &Value::Null)
    );

    // A backup of the ledger that is two lists behind: the next number is above what the relay has.
    let ledger = place.path().join("kring-admin/organisations/politie.example/ledger.jsonl");
    let backup = std::fs::read(&ledger).expect("there");
    for number in [2, 3] {
        let both = [list("politie.example", number), list("the region", number)];
        assert_eq!(handed(&["crl", "refresh"]), both, "an organisation that is revoked has no list");
    }
    std::fs::write(&ledger, backup).expect("written");
    assert_eq!(handed(&["crl", "refresh"]), [list("politie.example", 4), list("the region", 4)]);

    // The last one as well: whoever hands in the list that names them is cut off, and that is its good end.
    assert_eq!(handed(&["revoke", "politie.example", "--reason", "left"]), [list("the region", 5)]);
    out("anne");
}

#[expect(clippy::disallowed_methods, reason = "certificates and lists are of the time before now")]
fn days_ago(days: u64) -> Timestamp {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    Timestamp(now.as_millis() as u64 - days * Timestamp::DAY)
}

#[test]
fn with_a_list_that_is_long_overdue_something_is_said_at_its_authors_explicit_word_alone() {
    let place = Place::new();
    // A region and an organisation that were there when the list was signed, as no command makes them.
    let validity = Validity { not_before: days_ago(30), not_after: days_ago(0).plus(400 * Timestamp::DAY) };
    let key = |algorithm| PrivateKey::generate(algorithm).expect("made");
    let name = |text| DisplayName::new(text).expect("a name");
    let root = RegionRoot::create_with(&name("Proefregio"), key(Algorithm::EcdsaP384), validity).expect("made");
    let subject = OrganisationSubject {
        name: name("Politie"),
        domain: "politie.example".to_owned(),
        functions: vec![FunctionCode::new("police").expect("a function")],
    };
    let politie = root.issue_organisation(&subject, key(Algorithm::EcdsaP256), validity).expect("issued");
    let overdue = politie.sign_crl(&[], 1, days_ago(20), days_ago(10)).expect("signed");
    let region = place.path().join("kring-admin/region");
    std::fs::create_dir_all(&region).expect("made");
    let chain = [politie.certificate().clone(), root.certificate().clone()];
    for (file, content) in [
        (region.join("root.pem"), pem::certificates(&chain[1..])),
        (region.join("root.key"), root.key().lock(PASSPHRASE).expect("locked")),
        (place.path().join("politie.pem"), pem::certificates(&chain)),
        (place.path().join("politie.key"), politie.key().to_pem().to_string()),
        (place.path().join("overdue.pem"), pem::crl(&overdue)),
    ] {
        std::fs::write(file, content).expect("written");
    }
    place.run(&["admin", "organisation", "import", "politie.pem", "--key", "politie.key"]).ok();
    place.run(&["admin", "relay", "new", "--host", "127.0.0.1", "--listen", "127.0.0.1:0"]).ok();
    let (_relay, address) = place.relay();
    place.run(&["admin", "relay", "use", &address]).ok();
    place.run(&["admin", "device", "new", "anne@politie.example", "--name", "Anne", "--function", "police"]).ok();
    let device = "kring-admin/devices/politie.example/anne";
    place.run(&["--profile", "anne", "setup", "--device", device, "--relay", &address]).ok();
    let anne = |words: &[&str]| place.run(&[&["--profile", "anne", "--json"][..], words].concat());
    anne(&["case", "new", "Familie Voorbeeld"]).ok();
    place.run(&["admin", "crl", "publish", "overdue.pem"]).ok();

    let held = anne(&["send", "fam", "Is iedereen er nog?", "--wait", "3"]);
    assert!(held.code == 4 && held.err.contains("revocation_list_overdue"), "{held:?}");
    let said = anne(&["send", "fam", "Ik ga erheen.", "--despite-stale-revocation-list"]).ok().json();
    assert_eq!(said[0]["state"], "relayed");
    let left = anne(&["status"]).ok().json();
    assert_eq!(left[0]["queued"], 1, "the other one waits: {left:?}");
    // A newer list, and it goes by itself.
    place.run(&["admin", "crl", "refresh"]).ok();
    anne(&["send", "fam", "Ik ben er."]).ok();
    let read = anne(&["read", "fam"]).ok().json();
    let texts: Vec<_> = read.iter().map(|line| line["text"].as_str().expect("text")).collect();
    assert_eq!(texts, ["Ik ga erheen.", "Is iedereen er nog?", "Ik ben er."]);
}
