//! An organisation's authority: made here with the region's root, or brought by the organisation and signed from its
//! request; renewed before it ends.
//!
//! A renewed authority has a folder of its own and nothing of the former one goes away: certificates that it signed stay
//! good until they end, and its key still signs the list of those that were revoked. New certificates come from the
//! newest. Renewing keeps the key unless a new one is asked for.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use kring_pki::form::{FormError, FunctionCode};
use kring_pki::issue::{Algorithm, AuthorityRequest, OrganisationCa, OrganisationSubject, PrivateKey, Validity};
use kring_pki::verify::{Crls, TrustAnchors, fingerprint};
use rustls_pki_types::CertificateDer;

use super::folder::{self, NewFolder, ORGANISATION, PENDING_KEY, REGION};
use super::keys::Keys;
use super::ledger::{Entry, Issued, Kind, Ledger};
use super::{Made, display_name, lifetime, not_issued, region, serial_of, validity_of};
use crate::certificates::{self, pem};
use crate::clock;
use crate::outcome::{Cause, Failure, Outcome};

/// What can be done with organisations.
#[derive(Debug, Subcommand)]
pub(super) enum OrganisationCommand {
    /// Make an organisation's certificate authority, signed by the region.
    New {
        /// What the organisation is called.
        name: String,
        /// Its domain: every address of its professionals ends in it.
        #[arg(long)]
        domain: String,
        /// A function that it may give its professionals, such as police or veilig-thuis; once for each.
        #[arg(long = "function", required = true, value_name = "FUNCTION", value_parser = function)]
        functions: Vec<FunctionCode>,
        /// How many days it is valid; five years.
        #[arg(long, default_value_t = 5 * 365, value_parser = lifetime)]
        days: u64,
    },
    /// Take in an authority that the region has signed: the organisation's own, or a renewed one.
    Import {
        /// What `region sign` wrote: the organisation's certificate, and the region's root after it.
        certificate: PathBuf,
        /// Its private key in PEM (RSA, ECDSA or Ed25519, not encrypted), where it was not made here.
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
    },
    /// Make the request with which the region signs the authority anew, on a machine that has not the region's root.
    Request {
        /// The organisation's domain.
        domain: String,
        /// Where to write the request.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// Go on with a new key.
        #[arg(long)]
        new_key: bool,
    },
    /// Renew the authority with the region's root on this machine; what it has signed stays good.
    Renew {
        /// The organisation's domain.
        domain: String,
        /// Go on with a new key.
        #[arg(long)]
        new_key: bool,
        /// A function that it may give from now on, if they change; once for each.
        #[arg(long = "function", value_name = "FUNCTION", value_parser = function)]
        functions: Vec<FunctionCode>,
        /// How many days it is valid; five years.
        #[arg(long, default_value_t = 5 * 365, value_parser = lifetime)]
        days: u64,
    },
}

pub(super) fn run(command: OrganisationCommand, folder: &Path, keys: &Keys) -> Outcome<Made> {
    match command {
        OrganisationCommand::New { name, domain, functions, days } => {
            let subject = OrganisationSubject { name: display_name(&name)?, domain, functions };
            new(subject, days, folder, keys)
        }
        OrganisationCommand::Import { certificate, key } => import(&certificate, key.as_deref(), folder, keys),
        OrganisationCommand::Request { domain, out, new_key } => request(&domain, &out, new_key, folder, keys),
        OrganisationCommand::Renew { domain, new_key, functions, days } => {
            renew(&domain, new_key, functions, days, folder, keys)
        }
    }
}

fn new(subject: OrganisationSubject, days: u64, folder: &Path, keys: &Keys) -> Outcome<Made> {
    // Before anybody is asked for a passphrase.
    let place = NewFolder::begin(&folder::organisation(folder, &subject.domain))?;
    let region = region::open(folder, keys)?;
    let key = PrivateKey::generate(Algorithm::EcdsaP256).map_err(not_issued)?;
    let authority =
        region.issue_organisation(&subject, key, Validity::days(clock::now(), days)).map_err(not_issued)?;
    let locked = keys.lock(authority.key(), subject.name.as_str())?;
    region::issued(folder, &region, &subject, authority.certificate())?;
    let made = write(place, authority.certificate(), &locked, region.certificate())?;
    let next = format!("kring admin invite NAME@{} --name NAME --function FUNCTION", subject.domain);
    Ok(Made { what: "organisation", name: subject.name.to_string(), folder: made, device: None, next })
}

/// Writes the folder of an authority.
fn write(
    place: NewFolder,
    certificate: &CertificateDer<'static>,
    locked_key: &str,
    region: &CertificateDer<'static>,
) -> Outcome<PathBuf> {
    place.public(ORGANISATION.0, &pem([certificate]))?;
    place.public(REGION, &pem([region]))?;
    place.secret(ORGANISATION.1, locked_key.as_bytes())?;
    place.finish()
}

fn import(file: &Path, key: Option<&Path>, folder: &Path, keys: &Keys) -> Outcome<Made> {
    let chain = certificates::read(file)?;
    let [certificate, root] = &chain[..] else {
        return Err(Failure::advised(
            Cause::Usage,
            format!("{} does not hold two certificates", file.display()),
            "give the file that `kring admin region sign` wrote: the organisation's certificate, then the root",
        ));
    };
    let subject = OrganisationSubject::of(certificate).map_err(not_issued)?;
    let organisation = folder::organisation(folder, &subject.domain);
    let (place, key) = match generations(&organisation) {
        0 => {
            let path = key.ok_or_else(|| {
                Failure::advised(Cause::Usage, "the key of a new organisation is missing", "give it with --key FILE")
            })?;
            (organisation.clone(), plain_key(path)?)
        }
        newest => {
            let pinned = certificates::read(&organisation.join(REGION))?;
            if !pinned.contains(root) {
                return Err(Failure::advised(
                    Cause::Refused,
                    "the certificate was signed by another region than the organisation's first",
                    "make a new administrator's folder for another region",
                ));
            }
            let key = match key {
                Some(path) => plain_key(path)?,
                None => own_key(&organisation, newest, certificate, &subject, keys)?,
            };
            (folder::authority(&organisation, newest + 1), key)
        }
    };
    // Refuses a key that is not the certificate's, and a certificate that its root did not sign.
    let authority = OrganisationCa::new(certificate.clone(), key).map_err(not_issued)?;
    require_signed(&authority, root)?;
    let locked = keys.lock(authority.key(), subject.name.as_str())?;
    let made = write(NewFolder::begin(&place)?, certificate, &locked, root)?;
    let _ = std::fs::remove_file(organisation.join(PENDING_KEY));
    let next = format!(
        "compare the region's fingerprint with the region's own: {}; then kring admin invite NAME@{} …",
        fingerprint(root),
        subject.domain
    );
    Ok(Made { what: "organisation", name: subject.name.to_string(), folder: made, device: None, next })
}

/// The key made for a renewal, or the present one: whichever the certificate is for.
fn own_key(
    organisation: &Path,
    newest: u32,
    certificate: &CertificateDer<'static>,
    subject: &OrganisationSubject,
    keys: &Keys,
) -> Outcome<PrivateKey> {
    let pending = organisation.join(PENDING_KEY);
    if pending.exists() {
        let key = keys.open(&pending, subject.name.as_str())?;
        let again = keys.open(&pending, subject.name.as_str())?;
        if OrganisationCa::new(certificate.clone(), again).is_ok() {
            return Ok(key);
        }
    }
    keys.open(&folder::authority(organisation, newest).join(ORGANISATION.1), subject.name.as_str())
}

/// Has the authority sign a device that nobody gets, and checks that against the root: all that a reader will check.
fn require_signed(authority: &OrganisationCa, root: &CertificateDer<'static>) -> Outcome {
    use kring_pki::issue::DeviceSubject;
    use kring_pki::verify::{When, verify_device};
    use kring_protocol::address::{DeviceAddress, ProfessionalAddress};
    use kring_protocol::ids::DeviceId;
    let anchors = TrustAnchors::from_der([root]).map_err(|error| Failure::new(Cause::Refused, error))?;
    let professional: ProfessionalAddress =
        format!("a@{}", authority.domain()).parse().map_err(super::bad_address)?;
    let subject = DeviceSubject {
        address: DeviceAddress { professional, device: DeviceId([0; 16]) },
        name: authority.name().clone(),
        function: authority.functions()[0].clone(),
    };
    let hour = clock::now().plus(60 * 60 * kring_protocol::ids::Timestamp::SECOND);
    let validity = Validity { not_before: clock::now(), not_after: hour };
    let device = authority.issue_device(&subject, &[7; 32], validity).map_err(not_issued)?;
    match verify_device(device.chain(), &anchors, When::Ever, &Crls::none()) {
        Ok(_) => Ok(()),
        Err(untrusted) => Err(Failure::new(Cause::Refused, untrusted)),
    }
}

fn request(domain: &str, out: &Path, new_key: bool, folder: &Path, keys: &Keys) -> Outcome<Made> {
    let organisation = Organisation::find(folder, domain)?;
    let name = organisation.subject()?.name;
    let key = if new_key {
        let key = PrivateKey::generate(Algorithm::EcdsaP256).map_err(not_issued)?;
        folder::replace(&organisation.place.join(PENDING_KEY), keys.lock(&key, name.as_str())?.as_bytes())?;
        key
    } else {
        keys.open(&organisation.newest().join(ORGANISATION.1), name.as_str())?
    };
    let request = AuthorityRequest::make(&key).map_err(not_issued)?;
    folder::new_secret(out, kring_pki::pem::request(&request).as_bytes())?;
    let next =
        format!("on the region's machine: kring admin region sign {} --name … --domain {domain} …", out.display());
    Ok(Made { what: "request", name: domain.to_owned(), folder: out.to_owned(), device: None, next })
}

fn renew(
    domain: &str,
    new_key: bool,
    functions: Vec<FunctionCode>,
    days: u64,
    folder: &Path,
    keys: &Keys,
) -> Outcome<Made> {
    let organisation = Organisation::find(folder, domain)?;
    let mut subject = organisation.subject()?;
    if !functions.is_empty() {
        subject.functions = functions;
    }
    let root = region::open(folder, keys)?;
    let key = if new_key {
        PrivateKey::generate(Algorithm::EcdsaP256).map_err(not_issued)?
    } else {
        keys.open(&organisation.newest().join(ORGANISATION.1), subject.name.as_str())?
    };
    let request = AuthorityRequest::read(&AuthorityRequest::make(&key).map_err(not_issued)?).map_err(not_issued)?;
    let certificate =
        root.sign_organisation(&subject, &request, Validity::days(clock::now(), days)).map_err(not_issued)?;
    let locked = keys.lock(&key, subject.name.as_str())?;
    let place = NewFolder::begin(&folder::authority(&organisation.place, organisation.generations + 1))?;
    region::issued(folder, &root, &subject, &certificate)?;
    let made = write(place, &certificate, &locked, root.certificate())?;
    let next =
        "devices keep their certificates; new ones and renewed ones come from the renewed authority".to_owned();
    Ok(Made { what: "organisation", name: subject.name.to_string(), folder: made, device: None, next })
}

/// A private key from outside, in PEM.
fn plain_key(path: &Path) -> Outcome<PrivateKey> {
    let pem = std::fs::read_to_string(path).map_err(|error| Failure::file("read", path, &error))?;
    PrivateKey::from_pem(&zeroize::Zeroizing::new(pem)).map_err(not_issued)
}

/// How many authorities an organisation's folder holds, one after the other.
fn generations(organisation: &Path) -> u32 {
    (1..).take_while(|number| folder::authority(organisation, *number).join(ORGANISATION.0).is_file()).count() as u32
}

/// An organisation's folder; its keys stay locked.
pub(super) struct Organisation {
    /// The folder.
    pub(super) place: PathBuf,
    generations: u32,
}

impl Organisation {
    /// The organisation that has this domain.
    pub(super) fn find(folder: &Path, domain: &str) -> Outcome<Self> {
        let place = folder::organisation(folder, domain);
        match generations(&place) {
            0 => Err(Failure::advised(
                Cause::Failed,
                format!("there is no organisation with the domain {domain}"),
                format!("make it first: kring admin organisation new NAME --domain {domain} --function FUNCTION"),
            )),
            generations => Ok(Self { place, generations }),
        }
    }

    /// Whether the authority has not been renewed since this was found.
    pub(super) fn is_newest(&self) -> bool {
        generations(&self.place) == self.generations
    }

    /// Its domain, by which its folder is called.
    pub(super) fn domain(&self) -> Outcome<String> {
        Ok(self.subject()?.domain)
    }

    /// Whether the newest authority is among these serials: those that the region has revoked.
    pub(super) fn is_among(&self, revoked: &BTreeSet<String>) -> Outcome<bool> {
        Ok(self.serials()?.last().is_some_and(|serial| revoked.contains(serial)))
    }

    fn newest(&self) -> PathBuf {
        folder::authority(&self.place, self.generations)
    }

    /// The certificates of its authorities, the newest last.
    pub(super) fn certificates(&self) -> Outcome<Vec<CertificateDer<'static>>> {
        let places = (1..=self.generations).map(|number| folder::authority(&self.place, number).join(ORGANISATION.0));
        places.map(|path| Ok(certificates::read(&path)?.swap_remove(0))).collect()
    }

    /// The serials of the certificates of its authorities, the newest last.
    pub(super) fn serials(&self) -> Outcome<Vec<String>> {
        self.certificates()?.iter().map(|certificate| Ok(serial_of(certificate)?.to_hex())).collect()
    }

    /// The folder of the authority that has a certificate with this serial.
    pub(super) fn place_of(&self, serial: &str) -> Outcome<PathBuf> {
        let number = (1..).zip(self.serials()?).find(|(_, other)| other == serial).map(|(number, _)| number);
        let number = number.ok_or_else(|| {
            Failure::advised(
                Cause::Failed,
                "the authority that signed this is not in the folder",
                "restore the organisation's folder from a backup",
            )
        })?;
        Ok(folder::authority(&self.place, number))
    }

    /// What the newest certificate says.
    pub(super) fn subject(&self) -> Outcome<OrganisationSubject> {
        let newest = certificates::read(&self.newest().join(ORGANISATION.0))?.swap_remove(0);
        OrganisationSubject::of(&newest).map_err(not_issued)
    }

    /// The region's root.
    pub(super) fn region(&self) -> Outcome<CertificateDer<'static>> {
        Ok(certificates::read(&self.place.join(REGION))?.swap_remove(0))
    }

    /// Opens the newest authority.
    pub(super) fn open(&self, keys: &Keys) -> Outcome<OrganisationCa> {
        open_at(&self.newest(), keys)
    }

    /// Opens the authority that has a certificate with this serial.
    pub(super) fn open_serial(&self, serial: &str, keys: &Keys) -> Outcome<OrganisationCa> {
        open_at(&self.place_of(serial)?, keys)
    }

    /// Opens one authority of each key, the newest of that key; with the serials of all certificates of the key.
    pub(super) fn open_each(&self, keys: &Keys) -> Outcome<Vec<(OrganisationCa, Vec<String>)>> {
        let mut each: Vec<(OrganisationCa, Vec<String>)> = Vec::new();
        for number in (1..=self.generations).rev() {
            let authority = open_at(&folder::authority(&self.place, number), keys)?;
            let serial = serial_of(authority.certificate())?.to_hex();
            match each.iter_mut().find(|(newer, _)| newer.key().is_same(authority.key())) {
                Some((_, serials)) => serials.push(serial),
                None => each.push((authority, vec![serial])),
            }
        }
        Ok(each)
    }

    /// Its ledger, locked.
    pub(super) fn ledger(&self) -> Outcome<Ledger> {
        Ledger::open(&self.place)
    }
}

/// Opens the authority of a folder.
fn open_at(place: &Path, keys: &Keys) -> Outcome<OrganisationCa> {
    let certificate = certificates::read(&place.join(ORGANISATION.0))?.swap_remove(0);
    let name = OrganisationSubject::of(&certificate).map_err(not_issued)?.name;
    OrganisationCa::new(certificate, keys.open(&place.join(ORGANISATION.1), name.as_str())?).map_err(not_issued)
}

/// The line of a certificate that an organisation signed for a device, or for its administrator's connections.
pub(super) fn issued(
    what: Kind,
    authority: &OrganisationCa,
    subject: &kring_pki::issue::DeviceSubject,
    certificate: &CertificateDer<'static>,
    replaces: Option<String>,
) -> Outcome<Entry> {
    let validity = validity_of(certificate)?;
    Ok(Entry::Issued(Issued {
        at: clock::now().0,
        serial: serial_of(certificate)?.to_hex(),
        what,
        name: subject.address.professional.to_string(),
        called: subject.name.to_string(),
        device: Some(subject.address.device.to_hex()),
        functions: vec![subject.function.to_string()],
        from: validity.not_before.0,
        until: validity.not_after.0,
        authority: serial_of(authority.certificate())?.to_hex(),
        replaces,
    }))
}

/// Reads a function's code.
pub(super) fn function(text: &str) -> Result<FunctionCode, FormError> {
    FunctionCode::new(text)
}
