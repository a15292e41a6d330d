//! The way to the relays: a certificate of the organisation's administration, made for a day, and a connection to each
//! relay of the folder.

use kring_client::api::Surroundings;
use kring_client::enrolment::{Office, OfficeError};
use kring_pki::form::DisplayName;
use kring_pki::issue::{Algorithm, DeviceSubject, OrganisationCa, PrivateKey, Validity};
use kring_protocol::address::{ADMINISTRATION, DeviceAddress, ProfessionalAddress};
use kring_protocol::ids::{DeviceId, Timestamp};
use rustls_pki_types::CertificateDer;
use serde::Serialize;
use std::io::{self, Write};
use std::path::Path;

use super::ledger::Kind;
use super::lists::Signed;
use super::organisation::{self, Organisation};
use super::relay::used::{self, UsedRelay};
use super::{bad_address, not_issued};
use crate::clock;
use crate::outcome::{Cause, Failure, Outcome};
use crate::output::{Line, Output};

/// For how long the administration's certificate lasts: longer than a connection, shorter than anybody would want to steal.
const LASTS: u64 = Timestamp::DAY;

/// What the administration shows to a relay.
pub(super) struct Pass {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKey,
    region: CertificateDer<'static>,
    until: Timestamp,
}

impl Pass {
    /// Has the authority issue one.
    pub(super) fn issue(organisation: &Organisation, authority: &OrganisationCa) -> Outcome<Self> {
        let key = PrivateKey::generate(Algorithm::Ed25519).map_err(not_issued)?;
        let public = key
            .ed25519_public_key()
            .ok_or_else(|| Failure::new(Cause::Internal, "a new Ed25519 key has no public key"))?;
        let professional: ProfessionalAddress =
            format!("{ADMINISTRATION}@{}", authority.domain()).parse().map_err(bad_address)?;
        let name = DisplayName::new("Administration").map_err(|error| Failure::new(Cause::Internal, error))?;
        let subject = DeviceSubject {
            address: DeviceAddress { professional, device: DeviceId(rand::random()) },
            name,
            function: authority.functions()[0].clone(),
        };
        let now = clock::now();
        let until = now.plus(LASTS).min(authority.valid_until());
        let validity = Validity { not_after: until, ..Validity::days(now, 1) };
        let certificate = authority.issue_device(&subject, &public, validity).map_err(not_issued)?;
        let entry = organisation::issued(Kind::Administrator, authority, &subject, &certificate.chain()[0], None)?;
        organisation.ledger()?.append([entry])?;
        Ok(Self { chain: certificate.chain().to_vec(), key, region: organisation.region()?, until })
    }

    /// Whether it is good for some time yet.
    pub(super) fn is_fresh(&self, now: Timestamp) -> bool {
        self.until.since(now) > LASTS / 4
    }

    /// Connects to a relay.
    pub(super) async fn connect(&self, relay: &UsedRelay) -> Outcome<Office> {
        let surroundings = Surroundings::default();
        let connected =
            Office::connect(&self.chain, &self.key, &self.region, &relay.address, &relay.roots, &surroundings).await;
        connected.map_err(Failure::from)
    }
}

/// Hands lists to every relay of the folder; all are tried, and what fails with one is told at the end.
pub(super) async fn hand_over(signed: &[Signed], pass: &Pass, folder: &Path, output: Output) -> Outcome {
    let mut failed = None;
    for relay in used::all(folder)? {
        if let Err(failure) = hand_to(signed, pass, &relay, output).await {
            output.note(&format!("{}: {}", relay.address, failure.what));
            failed = Some(failure);
        }
    }
    match failed {
        None => Ok(()),
        Some(failure) => Err(Failure::advised(
            failure.cause,
            format!("a relay has not got the lists: {}", failure.what),
            "they are signed and kept; hand them over again with `kring admin crl refresh`",
        )),
    }
}

async fn hand_to(signed: &[Signed], pass: &Pass, relay: &UsedRelay, output: Output) -> Outcome {
    let office = pass.connect(relay).await?;
    for list in signed {
        office.publish(&list.list, list.issuer.as_ref()).await?;
        output.print(&Handed { relay: relay.address.to_string(), whose: &list.whose, number: list.number })?;
    }
    office.close().await;
    Ok(())
}

/// A relay has a list.
#[derive(Serialize)]
#[serde(tag = "type", rename = "handed")]
struct Handed<'a> {
    relay: String,
    whose: &'a str,
    number: u64,
}

impl Line for Handed<'_> {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(
            out,
            "The relay {} has list {} of {} and turns away whom it names",
            self.relay, self.number, self.whose
        )
    }
}

impl From<OfficeError> for Failure {
    fn from(error: OfficeError) -> Self {
        match error {
            OfficeError::Open(error) => error.into(),
            OfficeError::Connect(error) => error.into(),
            OfficeError::Refused(refusal) => Self::new(Cause::Refused, refusal),
        }
    }
}
