//! Runs the tool as its users do: as a process, in a folder of the test's own.

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use tempfile::TempDir;

/// What opens everything that a test makes.
pub(crate) const PASSPHRASE: &str = "vijf losse woorden om te testen";

/// A folder with everything in it that a test makes.
pub(crate) struct Place {
    folder: TempDir,
}

/// What a command did.
#[derive(Debug)]
pub(crate) struct Done {
    /// Exit code.
    pub(crate) code: i32,
    /// Standard output.
    pub(crate) out: String,
    /// Standard error.
    pub(crate) err: String,
}

impl Done {
    pub(crate) fn of(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).expect("text"),
            err: String::from_utf8(output.stderr).expect("text"),
        }
    }

    /// The command must have succeeded.
    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.code, 0, "{self:?}");
        self
    }

    /// The objects that were printed.
    pub(crate) fn json(&self) -> Vec<serde_json::Value> {
        self.out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }
}

/// A process that is killed when the test ends.
pub(crate) struct Running(pub(crate) Child);

impl Running {
    /// Sends a signal, such as `INT`.
    pub(crate) fn signal(&self, signal: &str) {
        let sent = Command::new("kill").arg(format!("-{signal}")).arg(self.0.id().to_string()).status();
        assert!(sent.expect("kill runs").success());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It fails only for a process that has ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Place {
    /// An empty folder, with a file of passphrases for two people.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("pass"), format!("{PASSPHRASE}\n")).expect("written");
        std::fs::write(folder.path().join("other"), "andere woorden om te testen\n").expect("written");
        Self { folder }
    }

    /// The folder.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The tool, about to run here.
    pub(crate) fn kring(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kring"));
        command.args(arguments).current_dir(self.path()).stdin(Stdio::null());
        for name in [
            "KRING_PROFILE",
            "KRING_ADMIN",
            "KRING_ADMIN_PASSPHRASE_FILE",
            "KRING_LANG",
            "KRING_ZONE",
            "KRING_AUDIT_ARCHIVE",
            "EDITOR",
            "VISUAL",
        ] {
            command.env_remove(name);
        }
        command.env("LC_ALL", "C");
        command.env("KRING_PASSPHRASE_FILE", "pass").env("TMPDIR", self.path());
        command
    }

    /// Runs the tool.
    pub(crate) fn run(&self, arguments: &[&str]) -> Done {
        Done::of(self.kring(arguments).output().expect("runs"))
    }

    /// A region, two organisations, Anne and Bo.
    pub(crate) fn certificates(&self) {
        for words in [
            &["admin", "region", "new", "Proefregio"][..],
            &["admin", "organisation", "new", "Politie", "--domain", "politie.example", "--function", "police"],
            &["admin", "organisation", "new", "Opvang", "--domain", "opvang.example", "--function", "shelter"],
            &["admin", "device", "new", "anne@politie.example", "--name", "Anne Jansen", "--function", "police"],
            &["admin", "device", "new", "bo@opvang.example", "--name", "Bo de Vries", "--function", "shelter"],
            &["admin", "relay", "new", "--host", "127.0.0.1", "--listen", "127.0.0.1:0"],
        ] {
            self.run(words).ok();
        }
    }

    /// Starts the relay of [`Self::certificates`] and returns its address.
    pub(crate) fn relay(&self) -> (Running, String) {
        let config = "kring-admin/relays/127.0.0.1/relay.toml";
        let mut relay = self.kring(&["relay", "--config", config, "--ready-file", "ready"]);
        started(relay.stderr(Stdio::null()), &self.path().join("ready"))
    }

    /// Makes the profile `anne`, for what needs no relay.
    pub(crate) fn profile_without_a_relay(&self) {
        self.certificates();
        let device = "kring-admin/devices/politie.example/anne";
        self.run(&["--profile", "anne", "setup", "--device", device, "--relay", "127.0.0.1:9"]).ok();
    }

    /// Makes the profiles `anne` and `bo`, and makes both known to the relay.
    pub(crate) fn profiles(&self, relay: &str) {
        for (name, device) in [("anne", "politie.example/anne"), ("bo", "opvang.example/bo")] {
            let device = format!("kring-admin/devices/{device}");
            self.run(&["--profile", name, "setup", "--device", &device, "--relay", relay]).ok();
            self.run(&["--profile", name, "status"]).ok();
        }
    }
}

/// Starts a relay, waits until the file stands that says where it can be reached, and returns its address.
pub(crate) fn started(command: &mut Command, ready: &Path) -> (Running, String) {
    let mut relay = Running(command.spawn().expect("starts"));
    loop {
        if let Ok(addresses) = std::fs::read_to_string(ready) {
            return (relay, addresses.lines().next().expect("an address").to_owned());
        }
        assert_eq!(relay.0.try_wait().expect("known"), None, "the relay ended before it ran");
        std::thread::yield_now();
    }
}
