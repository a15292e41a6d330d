//! What a bench stands on: a region, an organisation, as many devices as it needs, and a relay of its own in a process
//! of its own.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use kring_pki::form::{DisplayName, FunctionCode};
use kring_pki::issue::{
    Algorithm, DeviceSubject, IssueError, OrganisationCa, OrganisationSubject, PrivateKey, RegionRoot, Validity,
};
use kring_protocol::address::DeviceAddress;
use kring_protocol::ids::DeviceId;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::process::{Child, Command};

use super::usage::Usage;
use super::{Place, System};
use crate::admin::relay::{RelaySettings, make};
use crate::certificates::pem;
use crate::clock::{self, Stopwatch};
use crate::outcome::{Cause, Failure, Outcome};

/// Days for which certificates of a bench are valid: root, organisation, devices and relay.
const DAYS: [u64; 3] = [30, 29, 28];
/// Domain of the one organisation.
const DOMAIN: &str = "meting.example";
/// Professionals of whom each has as many devices as one may have at a relay: names beyond need no certificate.
const DEVICES_EACH: usize = 8;
/// Files of the region and the organisation in a bench's folder.
const FILES: [&str; 4] = ["root.pem", "root.key", "organisation.pem", "organisation.key"];
/// Longest start of a relay: it has to open what a bench has stored.
const START: Duration = Duration::from_secs(120);
/// How often the file is looked for that says that the relay runs.
const LOOK: Duration = Duration::from_millis(5);

/// A device's certificate with its organisation's, and its key.
pub(super) struct Device {
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) key: PrivateKeyDer<'static>,
}

/// Certificates, and the folder of the relay.
pub(super) struct Ground {
    root: RegionRoot,
    organisation: OrganisationCa,
    folder: PathBuf,
}

impl Ground {
    /// Makes a region, an organisation and a relay's files in a folder; one that has them is opened instead.
    pub(super) fn open(folder: &Path) -> Outcome<Self> {
        fs::create_dir_all(folder).map_err(|error| Failure::file("made", folder, &error))?;
        let [root, root_key, organisation, organisation_key] = FILES.map(|file| folder.join(file));
        if root.exists() {
            let read = |path: &Path| fs::read_to_string(path).map_err(|error| Failure::file("read", path, &error));
            let root = RegionRoot::from_pem(&read(&root)?, &read(&root_key)?).map_err(not_issued)?;
            let organisation =
                OrganisationCa::from_pem(&read(&organisation)?, &read(&organisation_key)?).map_err(not_issued)?;
            return Ok(Self { root, organisation, folder: folder.to_owned() });
        }
        let ground = Self::make(folder)?;
        let write = |path: &Path, text: &str| fs::write(path, text).map_err(|e| Failure::file("written", path, &e));
        write(&root, &pem([ground.root.certificate()]))?;
        write(&root_key, &ground.root.key().to_pem())?;
        write(&organisation, &pem([ground.organisation.certificate()]))?;
        write(&organisation_key, &ground.organisation.key().to_pem())?;
        let settings = RelaySettings {
            hosts: &["127.0.0.1", "localhost"],
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            observe: None,
            min_free_mib: Some(0),
            validity: Validity::days(clock::now(), DAYS[2]),
        };
        make(&ground.root, &settings, &ground.relay())?;
        Ok(ground)
    }

    fn make(folder: &Path) -> Outcome<Self> {
        let [of_root, of_organisation, _] = DAYS.map(|days| Validity::days(clock::now(), days));
        let name = |text: &str| DisplayName::new(text).map_err(|error| Failure::new(Cause::Internal, error));
        let root = RegionRoot::create(&name("Regio van een meting")?, of_root).map_err(not_issued)?;
        let subject = OrganisationSubject {
            name: name("Meting")?,
            domain: DOMAIN.to_owned(),
            functions: vec![FunctionCode::new("police").map_err(|error| Failure::new(Cause::Internal, error))?],
        };
        let key = PrivateKey::generate(Algorithm::EcdsaP256).map_err(not_issued)?;
        let organisation = root.issue_organisation(&subject, key, of_organisation).map_err(not_issued)?;
        Ok(Self { root, organisation, folder: folder.to_owned() })
    }

    /// The relay's folder.
    pub(super) fn relay(&self) -> PathBuf {
        self.folder.join("relay")
    }

    /// The root that has signed everything.
    pub(super) fn root(&self) -> &CertificateDer<'static> {
        self.root.certificate()
    }

    /// So many devices, each with a certificate of its own.
    pub(super) fn devices(&self, count: usize) -> Outcome<Vec<Device>> {
        (0..count).map(|number| self.device(number)).collect()
    }

    /// So many professionals with one device each.
    pub(super) fn professionals(&self, count: usize) -> Outcome<Vec<Device>> {
        (0..count).map(|number| self.device(number * DEVICES_EACH)).collect()
    }

    fn device(&self, number: usize) -> Outcome<Device> {
        let internal = |error: &dyn std::fmt::Display| Failure::new(Cause::Internal, error);
        let professional = format!("p{}@{DOMAIN}", number / DEVICES_EACH);
        let subject = DeviceSubject {
            name: DisplayName::new(&format!("Meting {}", number / DEVICES_EACH)).map_err(|e| internal(&e))?,
            address: DeviceAddress {
                professional: professional.parse().map_err(|e| internal(&e))?,
                device: DeviceId(rand::random()),
            },
            function: FunctionCode::new("police").map_err(|e| internal(&e))?,
        };
        let key = PrivateKey::generate(Algorithm::Ed25519).map_err(not_issued)?;
        let public = key.ed25519_public_key().ok_or_else(|| internal(&"no Ed25519 key"))?;
        let validity = Validity::days(clock::now(), DAYS[2]);
        let issued = self.organisation.issue_device(&subject, &public, validity).map_err(not_issued)?;
        Ok(Device { chain: issued.chain().to_vec(), key: key.to_der() })
    }
}

fn not_issued(error: IssueError) -> Failure {
    Failure::new(Cause::Failed, error)
}

/// The server under test.
pub(super) struct Server {
    /// Its process, where it runs on this machine and is known.
    pub(super) process: Option<u32>,
    /// Where it listens.
    pub(super) address: SocketAddr,
    /// How long it took until it could be reached.
    pub(super) start: Duration,
    child: Option<Child>,
}

impl Server {
    /// One that runs already.
    pub(super) fn given(address: SocketAddr, process: Option<u32>) -> Self {
        Self { process, address, start: Duration::ZERO, child: None }
    }

    /// Starts this program as the server, and waits until it can be reached. It ends with this process.
    pub(super) async fn start(ground: &Ground, system: System, delay: Duration, at: SocketAddr) -> Outcome<Self> {
        let begun = Stopwatch::start();
        #[cfg(feature = "compare")]
        if matches!(system, System::Nats | System::NatsSynced | System::Mosquitto) {
            let (child, address) = super::peers::start(ground, system).await?;
            return Ok(Self { process: child.id(), address, start: begun.passed(), child: Some(child) });
        }
        let place = Place { system, relay: ground.relay(), delay, listen: at };
        let ready = place.ready();
        // Gone already at the first start.
        let _first = fs::remove_file(&ready);
        let failed = |what: String| Failure::advised(Cause::Failed, what, "see what it has printed above");
        let program =
            std::env::current_exe().map_err(|error| failed(format!("this program is not there: {error}")))?;
        let mut child = Command::new(program)
            .args(place.arguments())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| failed(format!("the server does not start: {error}")))?;
        let address = loop {
            if let Some(address) = fs::read_to_string(&ready).ok().and_then(|text| text.parse().ok()) {
                break address;
            }
            if let Ok(Some(status)) = child.try_wait() {
                return Err(failed(format!("the server has ended at once ({status})")));
            }
            if begun.passed() > START {
                return Err(failed(format!("the server does not run after {} seconds", START.as_secs())));
            }
            tokio::time::sleep(LOOK).await;
        };
        Ok(Self { process: child.id(), address, start: begun.passed(), child: Some(child) })
    }

    /// What its process has used.
    pub(super) fn usage(&self) -> Usage {
        self.process.map(Usage::of).unwrap_or_default()
    }

    /// Kills it (SIGKILL) and waits until it is gone.
    pub(super) async fn kill(mut self) {
        if let Some(child) = &mut self.child {
            // It fails only for a process that has ended.
            let _ended = child.kill().await;
        }
    }
}
