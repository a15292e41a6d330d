//! The region's root.

use std::path::Path;

use clap::Subcommand;
use kring_pki::issue::{RegionRoot, Validity};

use super::folder::{self, NewFolder, ROOT};
use super::{Made, display_name, earlier, not_issued};
use crate::certificates::pem;
use crate::clock;
use crate::outcome::Outcome;

/// What can be done with regions.
#[derive(Debug, Subcommand)]
pub(super) enum RegionCommand {
    /// Make the region's root certificate and key.
    New {
        /// What the region is called.
        name: String,
        /// How many days the root is valid; 20 years.
        #[arg(long, default_value_t = 20 * 365)]
        days: u64,
    },
}

pub(super) fn run(command: RegionCommand, folder: &Path) -> Outcome<Made> {
    let RegionCommand::New { name, days } = command;
    let place = NewFolder::begin(&folder::region(folder))?;
    let root = RegionRoot::create(&display_name(&name)?, Validity::days(clock::now(), days)).map_err(not_issued)?;
    place.public(ROOT.0, &pem([root.certificate()]))?;
    place.secret(ROOT.1, root.key().to_pem().as_bytes())?;
    let made = place.finish()?;
    let next = "kring admin organisation new NAME --domain DOMAIN --function FUNCTION".to_owned();
    Ok(Made { what: "region", name, folder: made, device: None, next })
}

/// Opens the region's root.
pub(super) fn open(folder: &Path) -> Outcome<RegionRoot> {
    let place = folder::region(folder);
    let step = "make the region first: kring admin region new NAME";
    let (certificate, key) = (earlier(&place.join(ROOT.0), step)?, earlier(&place.join(ROOT.1), step)?);
    let key = zeroize::Zeroizing::new(key);
    RegionRoot::from_pem(&certificate, &key).map_err(not_issued)
}
