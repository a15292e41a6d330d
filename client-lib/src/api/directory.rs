//! Who can be added: people whose devices have published at the relay, found by words and believed only after their
//! certificates have been checked here.

use kring_pki::verify::{Crls, TrustAnchors, VerifiedDevice, When, verify_device};
use kring_protocol::ids::Timestamp;
use kring_protocol::limits::{MAX_FOUND, MAX_SEARCH};
use kring_protocol::message::{Found as WireFound, Reply, Request, SearchDirectory};
use rustls_pki_types::CertificateDer;
use tokio::sync::oneshot;

use super::client::Client;
use super::error::{RelayFault, SearchError};
use crate::driver::{Ask, Job};

/// What a search has found.
#[derive(Debug, Clone)]
pub struct Found {
    /// The devices, ordered by address.
    pub devices: Vec<FoundDevice>,
    /// There are more that fit; look for more words.
    pub more: bool,
    /// Devices that the relay named and whose certificates do not hold: a relay that is not up to date, or worse.
    pub not_believed: usize,
}

/// A device of somebody who can be added.
#[derive(Debug, Clone)]
pub struct FoundDevice {
    /// Whose it is, with the chain that says so up to a pinned root of a region.
    pub device: VerifiedDevice,
}

impl Client {
    /// Looks for professionals at the relay by the beginnings of words of their name, organisation, function and
    /// address. The relay can leave people out and cannot invent any.
    pub async fn search_directory(&self, text: &str) -> Result<Found, SearchError> {
        if text.len() > MAX_SEARCH {
            return Err(SearchError::TooLong);
        }
        let request = Request::SearchDirectory(SearchDirectory { text: text.into(), limit: MAX_FOUND as u64 });
        let (reply, answer) = oneshot::channel();
        let ask = Job::Ask(Ask { request, reply });
        self.driver.jobs.send(ask).await.map_err(|_| SearchError::NotConnected)?;
        let answer = answer.await.map_err(|_| SearchError::NotConnected)?;
        let mut replies = answer.map_err(SearchError::Refused)?;
        match replies.pop() {
            Some(Reply::Found(found)) => {
                let anchors = self.driver.identity.region_roots();
                Ok(judged(found, anchors, self.driver.renewing.now()))
            }
            _ => Err(SearchError::Fault(RelayFault::WrongAnswer)),
        }
    }
}

/// Keeps what holds.
fn judged(found: WireFound, anchors: &TrustAnchors, now: Timestamp) -> Found {
    let mut devices = Vec::new();
    let mut not_believed = 0;
    for named in found.devices.into_iter().take(MAX_FOUND) {
        let chain: Vec<_> = named.chain.iter().map(|der| CertificateDer::from(der.to_vec())).collect();
        match verify_device(&chain, anchors, When::At(now), &Crls::none()) {
            Ok(device) => devices.push(FoundDevice { device }),
            Err(_) => not_believed += 1,
        }
    }
    devices.sort_by(|one, other| one.device.address().cmp(other.device.address()));
    Found { devices, more: found.more, not_believed }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::testing::{World, now};
    use kring_pki::issue::Validity;
    use kring_protocol::message::FoundDevice as WireDevice;

    #[test]
    fn the_relays_word_counts_for_nothing() {
        let (world, elsewhere) = (World::new(), World::new());
        let chain = |world: &World, days| -> Vec<kring_protocol::payload::Payload> {
            let setup = world.setup(([127, 0, 0, 1], 1).into(), Validity::days(now(), days));
            setup.chain.iter().map(|certificate| certificate.to_vec().into()).collect()
        };
        let mut stolen = chain(&world, 9);
        let mut bytes = stolen[0].to_vec();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        stolen[0] = bytes.into();
        let devices = [chain(&world, 9), chain(&elsewhere, 9), stolen, Vec::new()];
        let devices = devices.into_iter().map(|chain| WireDevice { chain }).collect();
        let anchors = TrustAnchors::from_der([&world.root()]).unwrap();
        let found = judged(WireFound { devices, more: false }, &anchors, now());
        assert_eq!((found.devices.len(), found.not_believed), (1, 3));
        assert_eq!(found.devices[0].device.name().as_str(), "Anne Jansen");
        let later = now().plus(10 * Timestamp::DAY);
        let expired = WireFound { devices: vec![WireDevice { chain: chain(&world, 9) }], more: true };
        let found = judged(expired, &anchors, later);
        assert_eq!((found.devices.len(), found.not_believed, found.more), (0, 1, true));
    }
}
