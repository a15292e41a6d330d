//! The relay as an operator meets it: a program, its exit codes, its signals.

#![expect(clippy::unwrap_used, reason = "a helper that fails at an `unwrap` fails its test there")]

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Output, Stdio};

use data_encoding::BASE64;
use kring_pki::form::DisplayName;
use kring_pki::issue::{Algorithm, PrivateKey, RegionRoot, Validity};
use kring_protocol::ids::Timestamp;
use tempfile::TempDir;

/// A moment within the certificates' validity on every machine whose clock is within ten years of this test's writing.
const BEGINNING: Timestamp = Timestamp(1_750_000_000_000);

fn pem(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", BASE64.encode(der))
}

fn relay(arguments: &[&str], folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kring-relay"));
    command.args(arguments).current_dir(folder).env_remove("CREDENTIALS_DIRECTORY").stdin(Stdio::null());
    command
}

fn run(arguments: &[&str], folder: &Path) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = relay(arguments, folder).output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

/// A folder with everything that a relay needs.
fn prepared() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let path = |file: &str| folder.path().join(file);
    let name = DisplayName::new("Regio").unwrap();
    let region = RegionRoot::create(&name, Validity::days(BEGINNING, 3_650)).unwrap();
    let key = PrivateKey::generate(Algorithm::EcdsaP256).unwrap();
    let certificate = region.issue_relay(&["relay.example"], key, Validity::days(BEGINNING, 3_600)).unwrap();
    fs::write(path("region.pem"), pem("CERTIFICATE", region.certificate())).unwrap();
    fs::write(path("relay.pem"), pem("CERTIFICATE", &certificate.chain()[0])).unwrap();
    fs::write(path("relay.key"), certificate.key().to_pem().as_bytes()).unwrap();
    fs::set_permissions(path("relay.key"), fs::Permissions::from_mode(0o600)).unwrap();
    let settings = "[listen]\naddress = \"127.0.0.1:0\"\n[tls]\ncertificate = \"relay.pem\"\nprivate_key = \"relay.key\"\n\
                    region_roots = [\"region.pem\"]\n[store]\ndata = \"data\"\nrelay_key = \"database.key\"\n\
                    min_free_mib = 0\n";
    fs::write(path("relay.toml"), settings).unwrap();
    let made = run(&["new-key", "database.key"], folder.path());
    assert_eq!(made.0, Some(0), "{made:?}");
    folder
}

/// A running relay.
struct Running {
    process: Child,
    lines: std::io::Lines<BufReader<ChildStderr>>,
}

impl Running {
    fn start(folder: &Path) -> Self {
        let mut process = relay(&["run", "-c", "relay.toml"], folder).stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let mut running = Self { process, lines };
        running.wait_for("the relay has started");
        running
    }

    fn wait_for(&mut self, text: &str) {
        let mut before = Vec::new();
        for line in self.lines.by_ref() {
            let line = line.unwrap();
            if line.contains(text) {
                return;
            }
            before.push(line);
        }
        panic!("the relay ended before it said {text:?}: {before:?}");
    }

    fn signal(&self, name: &str) {
        let told = Command::new("kill").args([name, &self.process.id().to_string()]).status().unwrap();
        assert!(told.success());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended already where the test went well.
        let _ended = self.process.kill();
        let _reaped = self.process.wait();
    }
}

#[test]
fn it_stops_on_sigterm_with_exit_code_0_and_starts_again() {
    let folder = prepared();
    for _ in 0..2 {
        let mut running = Running::start(folder.path());
        running.signal("-TERM");
        running.wait_for("the relay has stopped");
        assert_eq!(running.process.wait().unwrap().code(), Some(0));
    }
}

#[test]
fn on_sighup_it_reads_its_certificates_again_and_survives_broken_ones() {
    let folder = prepared();
    let mut running = Running::start(folder.path());
    running.signal("-HUP");
    running.wait_for("certificates have been read again");
    fs::write(folder.path().join("region.pem"), "nothing").unwrap();
    running.signal("-HUP");
    running.wait_for("region.pem holds no certificate");
    running.signal("-TERM");
    assert_eq!(running.process.wait().unwrap().code(), Some(0));
}

#[test]
fn a_second_relay_on_the_same_data_is_told_so() {
    let folder = prepared();
    let _first = Running::start(folder.path());
    let (code, _, complaint) = run(&["run", "-c", "relay.toml"], folder.path());
    assert_eq!(code, Some(5), "{complaint}");
    assert!(complaint.contains("another relay has this data folder open"), "{complaint}");
}

#[test]
fn a_port_in_use_is_told_with_what_to_do() {
    let folder = prepared();
    let other = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = other.local_addr().unwrap().to_string();
    let (code, _, complaint) = run(&["run", "-c", "relay.toml", "--listen", &address], folder.path());
    assert_eq!(code, Some(6), "{complaint}");
    assert!(complaint.contains("listen.address"), "{complaint}");
}

#[test]
fn another_relay_key_does_not_open_the_data() {
    let folder = prepared();
    let mut running = Running::start(folder.path());
    running.signal("-TERM");
    running.process.wait().unwrap();
    assert_eq!(run(&["new-key", "other.key"], folder.path()).0, Some(0));
    let (code, _, complaint) = run(&["run", "-c", "relay.toml", "--relay-key", "other.key"], folder.path());
    assert_eq!(code, Some(5), "{complaint}");
}

#[test]
fn configuration_keys_and_arguments_have_exit_codes_of_their_own() {
    let folder = prepared();
    let path = |file: &str| folder.path().join(file);
    assert_eq!(run(&["check-config", "-c", "relay.toml"], folder.path()).0, Some(0));
    fs::write(path("bad.toml"), "[tls]\ncertificat = \"x\"\n").unwrap();
    let (code, _, complaint) = run(&["check-config", "-c", "bad.toml"], folder.path());
    assert_eq!(code, Some(3));
    assert!(complaint.contains("line 2: there is no setting tls.certificat; write certificate"), "{complaint}");
    assert_eq!(run(&["run", "-c", "nowhere.toml"], folder.path()).0, Some(3));
    assert_eq!(run(&["wander"], folder.path()).0, Some(2));
    fs::set_permissions(path("database.key"), fs::Permissions::from_mode(0o644)).unwrap();
    let (code, _, complaint) = run(&["run", "-c", "relay.toml"], folder.path());
    assert_eq!(code, Some(4));
    assert!(complaint.contains("can be read by others"), "{complaint}");
}

#[test]
fn a_database_is_compacted_backed_up_and_restored_as_a_new_life() {
    let folder = prepared();
    let mut running = Running::start(folder.path());
    let (code, _, complaint) = run(&["backup", "-c", "relay.toml", "early.backup"], folder.path());
    assert_eq!(code, Some(5), "not while it runs: {complaint}");
    running.signal("-TERM");
    running.process.wait().unwrap();

    for arguments in [&["compact", "-c", "relay.toml"][..], &["backup", "-c", "relay.toml", "kring.backup"]] {
        let (code, said, complaint) = run(arguments, folder.path());
        assert_eq!(code, Some(0), "{complaint}");
        assert!(said.starts_with("The "), "{said}");
    }
    let (code, _, complaint) = run(&["restore", "-c", "relay.toml", "kring.backup"], folder.path());
    assert_eq!(code, Some(5), "not over a database: {complaint}");
    fs::rename(folder.path().join("data"), folder.path().join("lost")).unwrap();
    let (code, _, complaint) = run(&["restore", "-c", "relay.toml", "kring.backup"], folder.path());
    assert_eq!(code, Some(0), "{complaint}");
    let running = Running::start(folder.path());
    running.signal("-INT");
}
