//! Chains that have been found good: their signatures are verified once, not at every step of a connection nor each time
//! that a device comes back.
//!
//! A verdict rests on what was believed when it was given; whoever believes something new begins with none. It holds from
//! the moment that it was asked about until a certificate of the chain ends. Chains that were refused are not kept: whoever
//! shows one may have another tomorrow, and pays for the work with its own.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_lc_rs::digest;
use kring_protocol::ids::Timestamp;
use rustls_pki_types::CertificateDer;

/// Verdicts that are kept, the newest ones: some 4 KB each, and enough for all who come back within a minute after a
/// restart.
const MOST: usize = 4_096;

/// Names a chain: SHA-256 over its certificates, each behind its length.
type Name = [u8; digest::SHA256_OUTPUT_LEN];

/// Verdicts, each over a chain.
pub(super) struct Verdicts<T>(Mutex<Kept<T>>);

struct Kept<T> {
    of: HashMap<Name, Verdict<T>>,
    oldest_first: VecDeque<Name>,
}

struct Verdict<T> {
    found: Arc<T>,
    from: Timestamp,
    until: Timestamp,
}

impl<T> Default for Verdicts<T> {
    fn default() -> Self {
        Self(Mutex::new(Kept { of: HashMap::new(), oldest_first: VecDeque::new() }))
    }
}

impl<T> Verdicts<T> {
    /// The verdict over a chain at a moment: one that is kept, or else what `judge` finds, with the last moment at which
    /// that holds.
    pub(super) fn over<E>(
        &self,
        chain: &[CertificateDer<'_>],
        now: Timestamp,
        judge: impl FnOnce() -> Result<(T, Timestamp), E>,
    ) -> Result<Arc<T>, E> {
        let name = name(chain);
        if let Some(verdict) = self.kept().of.get(&name)
            && (verdict.from..=verdict.until).contains(&now)
        {
            return Ok(verdict.found.clone());
        }
        // Judging takes signatures, which nobody should wait behind.
        let (found, until) = judge()?;
        let found = Arc::new(found);
        self.kept().keep(name, Verdict { found: found.clone(), from: now, until });
        Ok(found)
    }

    fn kept(&self) -> MutexGuard<'_, Kept<T>> {
        // It is whole between any two statements that can panic: there are none.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Kept<T> {
    fn keep(&mut self, name: Name, verdict: Verdict<T>) {
        if self.of.insert(name, verdict).is_none() {
            self.oldest_first.push_back(name);
        }
        if self.oldest_first.len() > MOST
            && let Some(oldest) = self.oldest_first.pop_front()
        {
            self.of.remove(&oldest);
        }
    }
}

fn name(chain: &[CertificateDer<'_>]) -> Name {
    let mut hash = digest::Context::new(&digest::SHA256);
    for certificate in chain {
        hash.update(&certificate.len().to_be_bytes());
        hash.update(certificate);
    }
    hash.finish().as_ref().try_into().expect("SHA-256 has 32 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(certificates: &[&'static [u8]]) -> Vec<CertificateDer<'static>> {
        certificates.iter().map(|der| CertificateDer::from(*der)).collect()
    }

    /// Whether a chain has to be judged, because no verdict over it is kept.
    fn judged(verdicts: &Verdicts<u8>, chain: &[CertificateDer<'_>], now: u64) -> bool {
        let mut judged = false;
        let judge = || {
            judged = true;
            Ok::<_, ()>((7, Timestamp(20)))
        };
        assert_eq!(verdicts.over(chain, Timestamp(now), judge).as_deref(), Ok(&7));
        judged
    }

    #[test]
    fn a_chain_is_judged_once_for_as_long_as_its_verdict_holds() {
        let verdicts = Verdicts::default();
        let own = chain(&[b"device", b"organisation"]);
        assert!(judged(&verdicts, &own, 10));
        assert!(!judged(&verdicts, &own, 10) && !judged(&verdicts, &own, 20));
        assert!(judged(&verdicts, &own, 21), "a certificate has ended");
        assert!(judged(&verdicts, &own, 9), "a clock that was set back: it may not have begun yet");
    }

    #[test]
    fn another_chain_is_judged_by_itself_however_its_bytes_are_cut() {
        let verdicts = Verdicts::default();
        assert!(judged(&verdicts, &chain(&[b"device", b"organisation"]), 10));
        for other in [&[b"device" as &[u8]][..], &[b"deviceo", b"rganisation"], &[b"organisation", b"device"]] {
            assert!(judged(&verdicts, &chain(other), 10));
        }
    }

    #[test]
    fn a_refusal_is_not_kept() {
        let verdicts = Verdicts::<u8>::default();
        let own = chain(&[b"device"]);
        assert_eq!(verdicts.over(&own, Timestamp(10), || Err("revoked")), Err("revoked"));
        assert!(judged(&verdicts, &own, 10));
    }

    #[test]
    fn so_many_are_kept_and_the_newest() {
        let verdicts = Verdicts::default();
        let numbered = |number: usize| vec![CertificateDer::from(number.to_be_bytes().to_vec())];
        for number in 0..=MOST {
            assert!(judged(&verdicts, &numbered(number), 10));
        }
        assert!(!judged(&verdicts, &numbered(MOST), 10) && !judged(&verdicts, &numbered(1), 10));
        assert!(judged(&verdicts, &numbered(0), 10));
        assert_eq!(verdicts.kept().of.len(), MOST);
    }
}
