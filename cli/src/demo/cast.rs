//! The cast: for everybody in a scenario an organisation's certificate, a device's, and a profile with a store of its
//! own.

use std::fs;
use std::path::{Path, PathBuf};

use kring_client::api::{Case, Client};
use kring_client::identity::{Profile, RelayAddress, Setup};
use kring_client::store::Unlock;
use kring_pki::form::DisplayName;
use kring_pki::issue::{
    Algorithm, DeviceSubject, IssueError, OrganisationCa, OrganisationSubject, PrivateKey, RegionRoot, Validity,
};
use kring_protocol::address::DeviceAddress;
use kring_protocol::ids::DeviceId;
use rustls_pki_types::CertificateDer;
use zeroize::Zeroizing;

use super::scenario::{Scenario, Who};
use crate::clock;
use crate::outcome::{Cause, Failure, Outcome};

/// How many days the certificates of a demo are valid: root, organisations, devices. Nothing outlives its issuer.
const DAYS: [u64; 3] = [3, 2, 1];

/// One professional with one device.
pub(super) struct Player {
    /// Place in the scenario.
    pub(super) who: Who,
    /// Whose device, and which.
    pub(super) address: DeviceAddress,
    /// The device's certificate and its organisation's.
    pub(super) chain: Vec<CertificateDer<'static>>,
    /// Seed of the certificate's key.
    pub(super) seed: Zeroizing<[u8; 32]>,
    /// The profile.
    pub(super) profile: Profile,
    /// What opens its store.
    pub(super) unlock: Unlock,
    /// The device's client, while it runs.
    pub(super) client: Option<Client>,
    /// Its handle of the case, while it runs and is in it.
    pub(super) case: Option<Case>,
}

/// The certificates of a cast, before anybody has a profile.
pub(super) struct Certificates {
    /// The region.
    pub(super) root: RegionRoot,
    devices: Vec<(DeviceAddress, Vec<CertificateDer<'static>>, PrivateKey)>,
}

impl Certificates {
    /// Makes a region, its organisations, and everybody's certificate.
    pub(super) fn issue(scenario: &Scenario) -> Outcome<Self> {
        let region = DisplayName::new("Verzonnen regio").map_err(|error| Failure::new(Cause::Internal, error))?;
        let now = clock::now();
        let [of_root, of_organisation, of_device] = DAYS.map(|days| Validity::days(now, days));
        let root = RegionRoot::create(&region, of_root).map_err(not_issued)?;
        let organisations = scenario.organisations.iter().map(|organisation| {
            let subject = OrganisationSubject {
                name: organisation.name.clone(),
                domain: organisation.domain.clone(),
                functions: organisation.functions.clone(),
            };
            root.issue_organisation(&subject, PrivateKey::generate(Algorithm::EcdsaP256)?, of_organisation)
        });
        let organisations: Vec<OrganisationCa> = organisations.collect::<Result<_, _>>().map_err(not_issued)?;
        let devices = scenario.people.iter().map(|person| {
            let key = PrivateKey::generate(Algorithm::Ed25519)?;
            let public_key = key.ed25519_public_key().ok_or(IssueError::DeviceKey)?;
            let address = DeviceAddress { professional: person.address.clone(), device: DeviceId(rand::random()) };
            let subject = DeviceSubject {
                address: address.clone(),
                name: person.name.clone(),
                function: person.function.clone(),
            };
            let certificate = organisations[person.organisation].issue_device(&subject, &public_key, of_device)?;
            Ok((address, certificate.chain().to_vec(), key))
        });
        let devices = devices.collect::<Result<_, _>>().map_err(not_issued)?;
        Ok(Self { root, devices })
    }

    /// Makes everybody's profile, below `folder`.
    pub(super) fn into_players(self, folder: &Path, relay: &RelayAddress, lock: &Lock) -> Outcome<Vec<Player>> {
        let root = self.root.certificate().clone();
        let players = self.devices.into_iter().enumerate().map(|(place, (address, chain, key))| {
            let seed = key.ed25519_seed().ok_or_else(|| not_issued(IssueError::DeviceKey))?;
            let setup = Setup {
                chain: chain.clone(),
                key: key.to_der(),
                region_roots: vec![root.clone()],
                relay: relay.clone(),
                relay_roots: vec![root.clone()],
            };
            let unlock = lock.of_one_device();
            let place_of_profile = folder.join(address.professional.as_str());
            let profile = Profile::create(&place_of_profile, &setup, &unlock)?;
            Ok(Player { who: Who(place), address, chain, seed, profile, unlock, client: None, case: None })
        });
        players.collect()
    }
}

/// How the stores of a demo are locked.
pub(super) enum Lock {
    /// Each under a random key that is forgotten with the demo.
    Random,
    /// All under a passphrase, so that they can be looked at afterwards.
    Passphrase(Zeroizing<String>),
}

impl Lock {
    fn of_one_device(&self) -> Unlock {
        match self {
            Self::Random => Unlock::Key(Zeroizing::new(rand::random())),
            Self::Passphrase(passphrase) => Unlock::Passphrase(passphrase.clone()),
        }
    }
}

impl Player {
    /// Opens the client, which begins to connect.
    pub(super) async fn open(&mut self) -> Outcome {
        self.client = Some(Client::open(&self.profile, &self.unlock).await?);
        Ok(())
    }

    /// Closes the client, in good order.
    pub(super) async fn close(&mut self) {
        self.case = None;
        if let Some(client) = self.client.take() {
            client.close().await;
        }
    }

    /// The open client.
    pub(super) fn client(&self) -> Outcome<&Client> {
        self.client.as_ref().ok_or_else(|| Failure::new(Cause::Internal, "a client is used that is closed"))
    }

    /// The case.
    pub(super) fn case(&self) -> Outcome<&Case> {
        self.case.as_ref().ok_or_else(|| Failure::new(Cause::Internal, "a case is used by who is not in it"))
    }

    /// Copies the profile and its store, as a thief with the device in hands would. The client must be closed.
    pub(super) fn copy(&self, to: &Path) -> Outcome<PathBuf> {
        copy_folder(self.profile.folder(), to).map_err(|error| Failure::file("copied", to, &error))?;
        Ok(to.to_owned())
    }
}

fn not_issued(error: IssueError) -> Failure {
    Failure::new(Cause::Internal, error)
}

/// Copies a folder with everything in it.
pub(super) fn copy_folder(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
