//! Three network namespaces and the links between them, by `ip` and `tc`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use crate::world::World;

/// Names of namespaces; whoever made them removes them.
#[derive(Debug)]
pub struct Namespaces {
    /// Where the clients are.
    pub client: String,
    pub(super) path: String,
    relay: String,
    owner: bool,
}

/// Why there are none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoNamespaces(pub String);

fn ip(arguments: &str) -> Result<(), String> {
    run("ip", arguments)
}

fn run(program: &str, arguments: &str) -> Result<(), String> {
    let output = Command::new(program).args(arguments.split_whitespace()).stdin(Stdio::null()).output();
    match output {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(format!("{program} {arguments}: {}", String::from_utf8_lossy(&output.stderr).trim())),
        Err(error) => Err(format!("{program}: {error}")),
    }
}

impl Namespaces {
    /// Makes them; their names end in this.
    pub fn make(suffix: u32) -> Result<Self, NoNamespaces> {
        let mut names = Self::named(suffix);
        names.owner = true;
        let Self { client, path, relay, .. } = &names;
        // Dropped on an error, it removes those that were made.
        for command in [
            format!("netns add {client}"),
            format!("netns add {path}"),
            format!("netns add {relay}"),
            format!("link add near netns {client} type veth peer name near netns {path}"),
            format!("link add far netns {path} type veth peer name far netns {relay}"),
            format!("-n {client} addr add 10.77.1.2/24 dev near"),
            format!("-n {path} addr add 10.77.1.1/24 dev near"),
            format!("-n {path} addr add 10.77.2.1/24 dev far"),
            format!("-n {relay} addr add 10.77.2.2/24 dev far"),
            format!("-n {client} link set near up"),
            format!("-n {path} link set near up"),
            format!("-n {path} link set far up"),
            format!("-n {relay} link set far up"),
            format!("-n {client} link set lo up"),
            format!("-n {relay} link set lo up"),
        ] {
            ip(&command).map_err(NoNamespaces)?;
        }
        Ok(names)
    }

    /// Those that were made with this.
    pub fn named(suffix: u32) -> Self {
        let name = |of: &str| format!("kring-{of}-{suffix}");
        Self { client: name("client"), path: name("path"), relay: name("relay"), owner: false }
    }

    /// Whether the kernel can lose and delay by itself.
    pub(super) fn has_netem(&self) -> bool {
        let has = run("tc", &format!("-n {} qdisc add dev near root netem delay 1ms", self.path)).is_ok();
        self.heal();
        has
    }

    /// Everything as it was.
    pub(super) fn heal(&self) {
        for device in ["near", "far"] {
            // There is none unless something was wrong.
            let _absent = run("tc", &format!("-n {} qdisc del dev {device} root", self.path));
        }
        self.shorten(1_500);
        self.link(true);
    }

    /// Has the kernel lose and delay, on what leaves the path towards either end.
    pub(super) fn spoil(&self, netem: &str) {
        if netem.is_empty() {
            return;
        }
        for device in ["near", "far"] {
            self.must("tc", &format!("-n {} qdisc add dev {device} root netem {netem}", self.path));
        }
    }

    /// Sets the largest packet.
    pub(super) fn shorten(&self, bytes: u32) {
        for device in ["near", "far"] {
            self.must("ip", &format!("-n {} link set {device} mtu {bytes}", self.path));
        }
    }

    /// Takes the clients' link away, or gives it back.
    pub(super) fn link(&self, up: bool) {
        let state = if up { "up" } else { "down" };
        self.must("ip", &format!("-n {} link set near {state}", self.path));
    }

    /// Gives the clients another address, and takes theirs.
    pub(super) fn move_client(&self) {
        self.must("ip", &format!("-n {} addr flush dev near", self.client));
        self.must("ip", &format!("-n {} addr add 10.77.1.3/24 dev near", self.client));
    }

    /// A program that runs another one in the relay's namespace.
    pub(super) fn script_in_relays(&self, world: &World, program: &str) -> String {
        let script = world.path("relay.sh");
        let text = format!("#!/bin/sh\nexec ip netns exec {} \"{program}\" \"$@\"\n", self.relay);
        fs::write(&script, text).expect("written");
        fs::set_permissions(&script, fs::Permissions::from_mode(0o700)).expect("an own file");
        script.to_str().expect("a temporary folder's name is text").to_owned()
    }

    fn must(&self, program: &str, arguments: &str) {
        if let Err(error) = run(program, arguments) {
            panic!("{error}");
        }
    }
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        if self.owner {
            for name in [&self.client, &self.path, &self.relay] {
                // The links go with them; those that were not made are not there.
                let _absent = ip(&format!("netns del {name}"));
            }
        }
    }
}
