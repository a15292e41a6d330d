//! An organisation's certificate authority.

use std::path::Path;

use clap::Subcommand;
use kring_pki::form::{FormError, FunctionCode};
use kring_pki::issue::{Algorithm, OrganisationCa, OrganisationSubject, PrivateKey, Validity};

use super::folder::{self, NewFolder, ORGANISATION};
use super::{Made, display_name, earlier, not_issued, region};
use crate::certificates::pem;
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
        #[arg(long, default_value_t = 5 * 365)]
        days: u64,
    },
}

pub(super) fn run(command: OrganisationCommand, folder: &Path) -> Outcome<Made> {
    let OrganisationCommand::New { name, domain, functions, days } = command;
    let region = region::open(folder)?;
    let subject = OrganisationSubject { name: display_name(&name)?, domain, functions };
    let key = PrivateKey::generate(Algorithm::EcdsaP256).map_err(not_issued)?;
    let authority =
        region.issue_organisation(&subject, key, Validity::days(clock::now(), days)).map_err(not_issued)?;
    let place = NewFolder::begin(&folder::organisation(folder, &subject.domain))?;
    place.public(ORGANISATION.0, &pem([authority.certificate()]))?;
    place.secret(ORGANISATION.1, authority.key().to_pem().as_bytes())?;
    let made = place.finish()?;
    let next = format!("kring admin device new NAME@{} --name NAME --function FUNCTION", subject.domain);
    Ok(Made { what: "organisation", name, folder: made, device: None, next })
}

/// Opens the authority of the organisation that has this domain.
pub(super) fn open(folder: &Path, domain: &str) -> Outcome<OrganisationCa> {
    let place = folder::organisation(folder, domain);
    if !place.is_dir() {
        return Err(Failure::advised(
            Cause::Failed,
            format!("there is no organisation with the domain {domain}"),
            format!("make it first: kring admin organisation new NAME --domain {domain} --function FUNCTION"),
        ));
    }
    let step = "restore the organisation's files";
    let certificate = earlier(&place.join(ORGANISATION.0), step)?;
    let key = zeroize::Zeroizing::new(earlier(&place.join(ORGANISATION.1), step)?);
    OrganisationCa::from_pem(&certificate, &key).map_err(not_issued)
}

/// Reads a function's code.
pub(super) fn function(text: &str) -> Result<FunctionCode, FormError> {
    FunctionCode::new(text)
}
