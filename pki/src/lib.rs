//! The certificates of Kring: what they say ([`form`]), who may make them ([`issue`]) and which are believed
//! ([`verify`]).
//!
//! A region root signs an organisation's authority, which signs one certificate for each device. The device's
//! certificate is both its TLS client certificate and its MLS credential (RFC 9420 §5.3), so that a relay cannot add a
//! member of its own making: whoever reads a leaf checks it here, against the region roots that it has pinned.
//! A relay has a server certificate from a root that its clients pin for TLS; it may be the same root.
//!
//! Nothing here opens a socket or a file or knows the time: moments come in as
//! [`Timestamp`](kring_protocol::ids::Timestamp).
//!
//! ```
//! use kring_pki::form::{DisplayName, FunctionCode};
//! use kring_pki::issue::{DeviceRequest, DeviceSubject, OrganisationSubject, PrivateKey, Algorithm, RegionRoot, Validity};
//! use kring_pki::verify::{Crls, TrustAnchors, When, verify_device};
//! use kring_protocol::address::DeviceAddress;
//! use kring_protocol::ids::{DeviceId, Timestamp};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let now = Timestamp(1_800_000_000_000);
//! let police = FunctionCode::new("police")?;
//! let region = RegionRoot::create(&DisplayName::new("Hollands Midden")?, Validity::days(now, 3650))?;
//! let organisation = region.issue_organisation(
//!     &OrganisationSubject {
//!         name: DisplayName::new("Politie Hollands Midden")?,
//!         domain: "politie.example".to_owned(),
//!         functions: vec![police.clone()],
//!     },
//!     PrivateKey::generate(Algorithm::EcdsaP256)?,
//!     Validity::days(now, 1825),
//! )?;
//!
//! // The device makes its key and asks; the organisation says whose device it is.
//! let key = PrivateKey::generate(Algorithm::Ed25519)?;
//! let request = DeviceRequest::read(&DeviceRequest::make(&key)?)?;
//! let device = organisation.issue_device(
//!     &DeviceSubject {
//!         address: DeviceAddress { professional: "a.jansen@politie.example".parse()?, device: DeviceId([7; 16]) },
//!         name: DisplayName::new("Anne Jansen")?,
//!         function: police,
//!     },
//!     request.public_key(),
//!     Validity::device(now),
//! )?;
//!
//! let anchors = TrustAnchors::from_der([region.certificate()])?;
//! let verified = verify_device(device.chain(), &anchors, When::At(now), &Crls::none())?;
//! assert_eq!(verified.function().as_str(), "police");
//! # Ok(())
//! # }
//! ```

pub mod form;
pub mod issue;
pub mod pem;
mod read;
mod signature;
pub mod verify;
