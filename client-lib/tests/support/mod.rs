// A region with one organisation, and a relay of this process: what the tests and the example of the front page stand
// on. It is included into a documentation test as well, so it has no inner documentation.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use kring_client::identity::{Profile, RelayAddress, Setup};
use kring_client::store::Unlock;
use kring_pki::form::{DisplayName, FunctionCode};
use kring_pki::issue::{
    Algorithm, DeviceSubject, OrganisationCa, OrganisationSubject, PrivateKey, RegionRoot, Validity,
};
use kring_pki::pem;
use kring_protocol::address::DeviceAddress;
use kring_protocol::ids::{DeviceId, Timestamp};
use kring_server::RunningRelay;
use kring_server::config::{Config, TlsFiles};

/// What the relay's certificate calls it.
const RELAY_NAME: &str = "relay.kring.example";

/// Certificates, a relay's files, and profiles, in a folder that goes with it.
pub(crate) struct World {
    folder: tempfile::TempDir,
    region: RegionRoot,
    organisation: OrganisationCa,
}

#[expect(clippy::disallowed_methods, reason = "certificates are valid around the present moment")]
fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a clock after 1970");
    Timestamp(u64::try_from(since.as_millis()).expect("a clock of this age"))
}

impl World {
    /// A region, an organisation that employs everybody, and a relay's certificate and keys.
    pub(crate) fn new() -> Self {
        let region =
            RegionRoot::create(&DisplayName::new("Regio Proef").expect("a name"), Validity::days(now(), 300))
                .expect("a root");
        let subject = OrganisationSubject {
            name: DisplayName::new("Politie Proef").expect("a name"),
            domain: "politie.example".to_owned(),
            functions: vec![FunctionCode::new("police").expect("a code")],
        };
        let key = PrivateKey::generate(Algorithm::EcdsaP256).expect("a key");
        let organisation = region.issue_organisation(&subject, key, Validity::days(now(), 200)).expect("issued");
        Self::of(region, organisation)
    }

    /// The same of a region and an organisation that there are.
    pub(crate) fn of(region: RegionRoot, organisation: OrganisationCa) -> Self {
        let world = Self { folder: tempfile::tempdir().expect("a folder"), region, organisation };
        let key = PrivateKey::generate(Algorithm::EcdsaP256).expect("a key");
        let relay = world.region.issue_relay(&[RELAY_NAME], key, Validity::days(now(), 100)).expect("issued");
        fs::write(world.path("relay.pem"), pem::certificates(relay.chain())).expect("written");
        fs::write(world.path("region.pem"), pem::certificates([world.region.certificate()])).expect("written");
        secret(&world.path("relay.key"), relay.key().to_pem().as_bytes());
        secret(&world.path("database.key"), format!("{}\n", "5a".repeat(32)).as_bytes());
        world
    }

    fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    /// Starts the relay on the world's database; port 0: the system chooses one.
    pub(crate) async fn relay(&self, port: u16) -> RunningRelay {
        let files = TlsFiles {
            certificate: self.path("relay.pem"),
            private_key: self.path("relay.key"),
            region_roots: vec![self.path("region.pem")],
            crls: Vec::new(),
        };
        let listen = SocketAddr::from(([127, 0, 0, 1], port));
        let mut config = Config::new(listen, files, self.path("data"), Some(self.path("database.key")));
        // The machine that runs this may have little room.
        config.store.min_free = 0;
        kring_server::start(config).await.expect("a relay")
    }

    /// A new device of `name` in the organisation, set up for the relay at `relay`; and what opens its store.
    pub(crate) fn profile(&self, name: &str, relay: SocketAddr) -> (Profile, Unlock) {
        let key = PrivateKey::generate(Algorithm::Ed25519).expect("a key");
        let subject = DeviceSubject {
            address: DeviceAddress {
                professional: format!("{name}@{}", self.organisation.domain()).parse().expect("an address"),
                device: DeviceId(rand::random()),
            },
            name: DisplayName::new(name).expect("a name"),
            function: self.organisation.functions()[0].clone(),
        };
        let public = key.ed25519_public_key().expect("an Ed25519 key");
        let device = self.organisation.issue_device(&subject, &public, Validity::days(now(), 100)).expect("issued");
        let address: RelayAddress = relay.to_string().parse().expect("an address");
        let setup = Setup {
            chain: device.chain().to_vec(),
            key: key.to_der(),
            region_roots: vec![self.region.certificate().clone()],
            relay: address.with_name(RELAY_NAME).expect("a name"),
            relay_roots: vec![self.region.certificate().clone()],
        };
        let unlock = Unlock::Key(zeroize::Zeroizing::new(rand::random()));
        let profile = Profile::create(&self.path(name), &setup, &unlock).expect("a profile");
        (profile, unlock)
    }
}

/// Writes a file that only its owner reads.
fn secret(path: &Path, bytes: &[u8]) {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).expect("a new file");
    file.write_all(bytes).expect("written");
}
