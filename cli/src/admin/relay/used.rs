//! The relays to which an administrator hands invitations, certificates and lists of revoked ones: `relays.toml`.

use std::path::Path;

use kring_client::identity::{RelayAddress, RelayAddressError};
use kring_pki::verify::TrustAnchors;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use serde::{Deserialize, Serialize};

use crate::admin::folder::{self, REGION, ROOT};
use crate::admin::{Made, earlier};
use crate::certificates::{self, pem};
use crate::outcome::{Cause, Failure, Outcome};

/// Name of the file.
const RELAYS: &str = "relays.toml";

/// A relay.
pub(in crate::admin) struct UsedRelay {
    /// Where it is.
    pub(in crate::admin) address: RelayAddress,
    /// Roots of which one has signed its certificate.
    pub(in crate::admin) roots: Vec<CertificateDer<'static>>,
}

/// `relays.toml`.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RelaysFile {
    #[serde(default)]
    relay: Vec<RelayTable>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RelayTable {
    /// `host:port`.
    address: String,
    /// The name that its certificate bears.
    name: String,
    /// Root certificates in PEM.
    roots: String,
}

/// Adds a relay, or changes it.
pub(super) fn add(folder: &Path, address: &str, name: Option<&str>, root: Option<&Path>) -> Outcome<Made> {
    let bad = |error: RelayAddressError| Failure::new(Cause::Usage, error);
    let mut relay: RelayAddress = address.parse().map_err(bad)?;
    if let Some(name) = name {
        relay = relay.with_name(name).map_err(bad)?;
    }
    let roots = match root {
        Some(file) => certificates::read(file)?,
        None => region_roots(folder)?,
    };
    TrustAnchors::from_der(&roots).map_err(|error| Failure::new(Cause::Refused, error))?;
    let mut file = load(folder)?;
    let address = relay.to_string();
    file.relay.retain(|table| table.address != address);
    file.relay.push(RelayTable { address: address.clone(), name: relay.name().to_owned(), roots: pem(&roots) });
    store(folder, &file)?;
    let next = "kring admin invite NAME@DOMAIN --name NAME --function FUNCTION".to_owned();
    Ok(Made { what: "relay", name: address, folder: folder.join(RELAYS), device: None, next })
}

/// Takes a relay out.
pub(super) fn drop(folder: &Path, address: &str) -> Outcome<Made> {
    let mut file = load(folder)?;
    let before = file.relay.len();
    file.relay.retain(|table| table.address != address);
    if file.relay.len() == before {
        return Err(Failure::advised(
            Cause::Usage,
            format!("{address} is not among the relays of this folder"),
            format!("see {}", folder.join(RELAYS).display()),
        ));
    }
    store(folder, &file)?;
    let next = "nothing is handed to it any more; what it has it keeps".to_owned();
    Ok(Made { what: "relay", name: address.to_owned(), folder: folder.join(RELAYS), device: None, next })
}

/// All of them, at least one.
pub(in crate::admin) fn all(folder: &Path) -> Outcome<Vec<UsedRelay>> {
    let file = load(folder)?;
    if file.relay.is_empty() {
        return Err(Failure::advised(
            Cause::Failed,
            "no relay is known to this folder",
            "say which one to use first: kring admin relay use HOST:PORT",
        ));
    }
    let relays = file.relay.into_iter().map(|RelayTable { address, name, roots }| {
        let address: RelayAddress = address.parse().map_err(|_| unreadable(folder))?;
        let address = address.with_name(&name).map_err(|_| unreadable(folder))?;
        let roots: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(roots.as_bytes()).collect();
        Ok(UsedRelay { address, roots: roots.map_err(|_| unreadable(folder))? })
    });
    relays.collect()
}

/// The region's root, from the region's own folder or an organisation's.
fn region_roots(folder: &Path) -> Outcome<Vec<CertificateDer<'static>>> {
    let own = folder::region(folder).join(ROOT.0);
    if own.is_file() {
        return certificates::read(&own);
    }
    let mut roots = Vec::new();
    for domain in folder::organisations(folder)? {
        roots.extend(certificates::read(&folder::organisation(folder, &domain).join(REGION))?);
    }
    roots.dedup();
    match roots.is_empty() {
        false => Ok(roots),
        true => Err(Failure::advised(
            Cause::Usage,
            "there is no region in this folder whose root the relay's certificate could have",
            "give the root of the relay's certificate with --relay-root FILE",
        )),
    }
}

fn load(folder: &Path) -> Outcome<RelaysFile> {
    let path = folder.join(RELAYS);
    if !path.exists() {
        return Ok(RelaysFile::default());
    }
    toml::from_str(&earlier(&path, "check its permissions")?).map_err(|_| unreadable(folder))
}

fn store(folder: &Path, file: &RelaysFile) -> Outcome {
    let text = toml::to_string(file).expect("texts in tables are TOML");
    folder::replace(&folder.join(RELAYS), text.as_bytes())
}

fn unreadable(folder: &Path) -> Failure {
    Failure::advised(
        Cause::Failed,
        format!("{} cannot be read", folder.join(RELAYS).display()),
        "delete it, and say again which relays to use: kring admin relay use HOST:PORT",
    )
}
