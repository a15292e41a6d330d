//! The region's root: made once, and used to say who is an organisation.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use kring_pki::form::{FunctionCode, Serial};
use kring_pki::issue::{Algorithm, AuthorityRequest, OrganisationSubject, PrivateKey, RegionRoot, Validity};
use rustls_pki_types::CertificateDer;

use super::folder::{self, NewFolder, ROOT};
use super::keys::Keys;
use super::ledger::{self, Entry, Issued, Kind, Ledger, State};
use super::organisation::function;
use super::{Made, display_name, lifetime, not_issued, serial_of, validity_of};
use crate::certificates::{self, pem};
use crate::clock;
use crate::outcome::{Failure, Outcome};

/// Who has a locked key, in questions.
const WHOSE: &str = "the region";

/// What can be done with regions.
#[derive(Debug, Subcommand)]
pub(super) enum RegionCommand {
    /// Make the region's root certificate and key.
    New {
        /// What the region is called.
        name: String,
        /// How many days the root is valid; 20 years.
        #[arg(long, default_value_t = 20 * 365, value_parser = lifetime)]
        days: u64,
    },
    /// Sign the authority of an organisation that keeps its key to itself, from its request.
    Sign {
        /// File with the request (PKCS #10, in PEM), as `openssl req -new` or `organisation request` makes it.
        request: PathBuf,
        /// What the organisation is called.
        #[arg(long)]
        name: String,
        /// Its domain: every address of its professionals ends in it.
        #[arg(long)]
        domain: String,
        /// A function that it may give its professionals; once for each.
        #[arg(long = "function", required = true, value_name = "FUNCTION", value_parser = function)]
        functions: Vec<FunctionCode>,
        /// How many days it is valid; five years.
        #[arg(long, default_value_t = 5 * 365, value_parser = lifetime)]
        days: u64,
        /// Where to write the organisation's certificate, with the region's root after it.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
}

pub(super) fn run(command: RegionCommand, folder: &Path, keys: &Keys) -> Outcome<Made> {
    match command {
        RegionCommand::New { name, days } => new(name, days, folder, keys),
        RegionCommand::Sign { request, name, domain, functions, days, out } => {
            let subject = OrganisationSubject { name: display_name(&name)?, domain, functions };
            sign(&request, &subject, days, &out, folder, keys)
        }
    }
}

fn new(name: String, days: u64, folder: &Path, keys: &Keys) -> Outcome<Made> {
    let place = NewFolder::begin(&folder::region(folder))?;
    let key = PrivateKey::generate(Algorithm::EcdsaP384).map_err(not_issued)?;
    let locked = keys.lock(&key, WHOSE)?;
    let root = RegionRoot::create_with(&display_name(&name)?, key, Validity::days(clock::now(), days))
        .map_err(not_issued)?;
    place.public(ROOT.0, &pem([root.certificate()]))?;
    place.secret(ROOT.1, locked.as_bytes())?;
    let serial = serial_of(root.certificate())?;
    Ledger::open(place.unfinished())?.append([entry(
        Kind::Region,
        &name,
        None,
        root.certificate(),
        &serial,
        None,
    )?])?;
    let made = place.finish()?;
    let next = "kring admin organisation new NAME --domain DOMAIN --function FUNCTION".to_owned();
    Ok(Made { what: "region", name, folder: made, device: None, next })
}

fn sign(
    request: &Path,
    subject: &OrganisationSubject,
    days: u64,
    out: &Path,
    folder: &Path,
    keys: &Keys,
) -> Outcome<Made> {
    let bytes = std::fs::read(request).map_err(|error| Failure::file("read", request, &error))?;
    let request = AuthorityRequest::from_pem(&bytes).map_err(not_issued)?;
    let root = open(folder, keys)?;
    let certificate =
        root.sign_organisation(subject, &request, Validity::days(clock::now(), days)).map_err(not_issued)?;
    issued(folder, &root, subject, &certificate)?;
    folder::new_secret(out, pem([&certificate, root.certificate()]).as_bytes())?;
    let next = format!("on the organisation's machine: kring admin organisation import {}", out.display());
    Ok(Made { what: "organisation", name: subject.name.to_string(), folder: out.to_owned(), device: None, next })
}

/// Opens the region's root.
pub(super) fn open(folder: &Path, keys: &Keys) -> Outcome<RegionRoot> {
    let place = folder::region(folder);
    let certificate = certificate(folder)?;
    RegionRoot::new(certificate, keys.open(&place.join(ROOT.1), WHOSE)?).map_err(not_issued)
}

/// The root's certificate, without its key.
pub(super) fn certificate(folder: &Path) -> Outcome<CertificateDer<'static>> {
    let path = folder::region(folder).join(ROOT.0);
    super::earlier(&path, "make the region first: kring admin region new NAME")?;
    Ok(certificates::read(&path)?.swap_remove(0))
}

/// Serials of what the region of this folder has revoked; none where there is no region.
pub(super) fn revoked(folder: &Path) -> Outcome<BTreeSet<String>> {
    let book = ledger::read(&folder::region(folder))?;
    let certificates = book.certificates(clock::now()).into_iter();
    let revoked = certificates.filter(|certificate| certificate.state == State::Revoked);
    Ok(revoked.map(|certificate| certificate.issued.serial.clone()).collect())
}

/// Writes down that the region has signed an organisation; it takes the place of the one that it had.
pub(super) fn issued(
    folder: &Path,
    root: &RegionRoot,
    subject: &OrganisationSubject,
    certificate: &CertificateDer<'static>,
) -> Outcome {
    let mut ledger = Ledger::open(&folder::region(folder))?;
    let earlier = ledger.book().certificates(clock::now()).into_iter().rev().find(|earlier| {
        earlier.issued.what == Kind::Organisation
            && earlier.issued.name == subject.domain
            && earlier.state == State::Valid
    });
    let replaces = earlier.map(|earlier| earlier.issued.serial.clone());
    let authority = serial_of(root.certificate())?;
    ledger.append([entry(Kind::Organisation, &subject.domain, Some(subject), certificate, &authority, replaces)?])
}

/// Writes down that the region has signed a relay.
pub(super) fn issued_relay(
    folder: &Path,
    root: &RegionRoot,
    host: &str,
    certificate: &CertificateDer<'static>,
) -> Outcome {
    let authority = serial_of(root.certificate())?;
    let entry = entry(Kind::Relay, host, None, certificate, &authority, None)?;
    Ledger::open(&folder::region(folder))?.append([entry])
}

fn entry(
    what: Kind,
    name: &str,
    subject: Option<&OrganisationSubject>,
    certificate: &CertificateDer<'static>,
    authority: &Serial,
    replaces: Option<String>,
) -> Outcome<Entry> {
    let validity = validity_of(certificate)?;
    Ok(Entry::Issued(Issued {
        at: clock::now().0,
        serial: serial_of(certificate)?.to_hex(),
        what,
        name: name.to_owned(),
        called: subject.map(|subject| subject.name.to_string()).unwrap_or_default(),
        device: None,
        functions: subject
            .map(|subject| subject.functions.iter().map(ToString::to_string).collect())
            .unwrap_or_default(),
        from: validity.not_before.0,
        until: validity.not_after.0,
        authority: authority.to_hex(),
        replaces,
    }))
}
