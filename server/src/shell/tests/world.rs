//! A region with one organisation, a relay on loopback, and as many devices as a test wants.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use data_encoding::BASE64;
use kring_pki::form::{DisplayName, FunctionCode, Serial};
use kring_pki::issue::{
    Algorithm, DeviceSubject, OrganisationCa, OrganisationSubject, PrivateKey, Reason, RegionRoot, Revocation,
    Validity,
};
use kring_protocol::address::DeviceAddress;
use kring_protocol::ids::{DeviceId, Incarnation, Timestamp};
use kring_protocol::message::PublishCrl;
use rustls_pki_types::CertificateDer;

use crate::clock;
use crate::config::{Config, LogFormat, LogLevel, LogSettings, ObserveSettings, TlsFiles};
use crate::logs;
use crate::shell::endpoint::ResetSecret;
use crate::shell::{RunningRelay, start_on};
use crate::store::MemoryStore;

/// The host in the relay's certificate.
pub(crate) const HOST: &str = "relay.kring.example";
/// The organisation's domain, which no log may show.
pub(crate) const DOMAIN: &str = "canary-politie.example";

/// Everything that a test's relay and devices need.
pub(crate) struct World {
    folder: tempfile::TempDir,
    pub(crate) region: RegionRoot,
    organisation: OrganisationCa,
    pub(crate) config: Config,
}

/// A device with its certificate.
pub(crate) struct Device {
    pub(crate) id: DeviceId,
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) key: PrivateKey,
    revocation: Revocation,
}

impl World {
    pub(crate) fn new() -> Self {
        record_logs();
        let now = clock::now();
        let folder = tempfile::tempdir().unwrap();
        let region = RegionRoot::create(&name("Canary Regio"), Validity::days(now, 100)).unwrap();
        let subject = OrganisationSubject {
            name: name("Canary Politie"),
            domain: DOMAIN.to_owned(),
            functions: vec![FunctionCode::new("police").unwrap()],
        };
        let key = PrivateKey::generate(Algorithm::EcdsaP256).unwrap();
        let organisation = region.issue_organisation(&subject, key, Validity::days(now, 50)).unwrap();

        let path = |file: &str| folder.path().join(file);
        let relay_key = PrivateKey::generate(Algorithm::EcdsaP256).unwrap();
        let relay = region.issue_relay(&[HOST], relay_key, Validity::days(now, 30)).unwrap();
        fs::write(path("relay.pem"), pem("CERTIFICATE", &relay.chain()[0])).unwrap();
        fs::write(path("region.pem"), pem("CERTIFICATE", region.certificate())).unwrap();
        write_secret(&path("relay.key"), relay.key().to_pem().as_bytes());
        let files = TlsFiles {
            certificate: path("relay.pem"),
            private_key: path("relay.key"),
            region_roots: vec![path("region.pem")],
            crls: Vec::new(),
        };
        let mut config = Config::new("127.0.0.1:0".parse().unwrap(), files, path("data"), None);
        // The machine that runs the tests may have little room.
        config.store.min_free = 0;
        config.observe =
            Some(ObserveSettings { address: "127.0.0.1:0".parse().unwrap(), allow_other_addresses: false });
        fs::create_dir(path("data")).unwrap();
        Self { folder, region, organisation, config }
    }

    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    /// A relay on a store in memory.
    pub(crate) async fn relay(&self) -> RunningRelay {
        self.relay_on(&MemoryStore::new(Incarnation([0xc0; 16]))).await
    }

    /// A relay on this store.
    pub(crate) async fn relay_on(&self, store: &MemoryStore) -> RunningRelay {
        let secret = ResetSecret::derive(&[0xc0; 32]);
        start_on(self.config.clone(), Box::new(store.clone()), &secret).await.unwrap()
    }

    /// The organisation's list that revokes these devices, as it is handed in.
    pub(crate) fn list(&self, devices: &[&Device], number: u64) -> PublishCrl {
        let now = clock::now();
        let revoked: Vec<Revocation> = devices.iter().map(|device| device.revocation.clone()).collect();
        let crl = self.organisation.sign_crl(&revoked, number, now, now.plus(Timestamp::DAY)).unwrap();
        PublishCrl { crl: crl.to_vec().into(), issuer: Some(self.organisation.certificate().to_vec().into()) }
    }

    /// The region's list that revokes the organisation.
    pub(crate) fn list_of_region(&self, number: u64) -> PublishCrl {
        let now = clock::now();
        let serial = Serial::of(self.organisation.certificate()).unwrap();
        let revoked = Revocation { serial, at: now, reason: Reason::KeyCompromise };
        let crl = self.region.sign_crl(&[revoked], number, now, now.plus(Timestamp::DAY)).unwrap();
        PublishCrl { crl: crl.to_vec().into(), issuer: None }
    }

    /// Writes the organisation's list, with its certificate, to a file that the configuration names.
    pub(crate) fn with_known_crl_file(mut self, devices: &[&Device], number: u64) -> Self {
        let list = self.list(devices, number);
        let authority = pem("CERTIFICATE", self.organisation.certificate());
        fs::write(self.path("known.pem"), pem("X509 CRL", &list.crl) + &authority).unwrap();
        self.config.tls.crls = vec![self.path("known.pem")];
        self
    }

    /// A device of a professional of its own.
    pub(crate) fn device(&self, number: u8) -> Device {
        self.device_of(number, &format!("canary-{number}"))
    }

    /// A device of this professional.
    pub(crate) fn device_of(&self, number: u8, professional: &str) -> Device {
        let key = PrivateKey::generate(Algorithm::Ed25519).unwrap();
        let id = DeviceId([number; 16]);
        let professional = format!("{professional}@{DOMAIN}").parse().unwrap();
        let subject = DeviceSubject {
            address: DeviceAddress { professional, device: id },
            name: name("Canary Jansen"),
            function: FunctionCode::new("police").unwrap(),
        };
        let public_key = key.ed25519_public_key().unwrap();
        let validity = Validity::days(clock::now(), 20);
        let certificate = self.organisation.issue_device(&subject, &public_key, validity).unwrap();
        let revocation =
            Revocation { serial: certificate.serial().clone(), at: clock::now(), reason: Reason::AffiliationChanged };
        Device { id, chain: certificate.chain().to_vec(), key, revocation }
    }

    /// Writes the organisation's list of revoked devices and has the configuration name it.
    pub(crate) fn revoke(&mut self, devices: &[&Device]) {
        let revoked: Vec<Revocation> = devices.iter().map(|device| device.revocation.clone()).collect();
        let now = clock::now();
        let list = self.organisation.sign_crl(&revoked, 1, now, now.plus(Timestamp::DAY)).unwrap();
        fs::write(self.path("crl.pem"), pem("X509 CRL", &list)).unwrap();
    }

    /// An empty list of revoked devices.
    pub(crate) fn with_crl_file(mut self) -> Self {
        self.revoke(&[]);
        self.config.tls.crls = vec![self.path("crl.pem")];
        self
    }
}

fn name(text: &str) -> DisplayName {
    DisplayName::new(text).unwrap()
}

fn write_secret(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

/// RFC 7468.
fn pem(label: &str, der: &[u8]) -> String {
    let mut text = format!("-----BEGIN {label}-----\n");
    for line in BASE64.encode(der).as_bytes().chunks(64) {
        text.push_str(std::str::from_utf8(line).unwrap());
        text.push('\n');
    }
    text + &format!("-----END {label}-----\n")
}

/// Waits for an event, and fails the test if it does not come.
pub(crate) async fn soon<T>(what: &str, event: impl Future<Output = T>) -> T {
    match tokio::time::timeout(Duration::from_secs(20), event).await {
        Ok(value) => value,
        Err(_) => panic!("{what} did not come in time"),
    }
}

static LOGGED: Mutex<Vec<u8>> = Mutex::new(Vec::new());

struct Logged;

impl io::Write for Logged {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LOGGED.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// All tests of this process log at `trace` into one place.
fn record_logs() {
    static ONCE: OnceLock<()> = OnceLock::new();
    ONCE.get_or_init(|| {
        let settings = LogSettings { level: LogLevel::Trace, format: LogFormat::Text };
        tracing::subscriber::set_global_default(logs::subscriber(settings, || Logged)).unwrap();
    });
}

/// Everything that was logged so far.
pub(crate) fn logged() -> String {
    String::from_utf8_lossy(&LOGGED.lock().unwrap()).into_owned()
}

/// The answer of the relay's HTTP endpoint.
pub(crate) async fn http(relay: &RunningRelay, path: &str) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut stream = tokio::net::TcpStream::connect(relay.observe_addr.unwrap()).await.unwrap();
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}
