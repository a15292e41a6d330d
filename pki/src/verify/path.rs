//! The path from a certificate to a pinned root, and revocation along it: rustls-webpki does the work, this decides
//! for which moment and with which lists.
//!
//! A list that is not properly signed by the issuer of a certificate says nothing about it: whoever serves CRLs could
//! otherwise make anyone look revoked, or hide a real list behind a false one. Of the lists that are, the one with the
//! highest number decides: an issuer can take a revocation back.

use std::time::Duration;

use kring_protocol::ids::Timestamp;
use rustls_pki_types::{CertificateDer, UnixTime};
use webpki::{
    EndEntityCert, KeyUsage, RevocationCheckDepth, RevocationOptions, RevocationOptionsBuilder, UnknownStatusPolicy,
};

use super::{Crl, CrlSeen, Crls, MAX_CERTIFICATE, MAX_CHAIN, TrustAnchors, Untrusted, When, Whose, untrusted};
use crate::read::Certificate;
use crate::signature::ALGORITHMS;

/// A path that has been checked.
pub(super) struct Path<'a> {
    /// The certificate in question.
    pub(super) leaf: &'a CertificateDer<'a>,
    /// Those between it and the root, its issuer first.
    pub(super) issuers: Vec<CertificateDer<'static>>,
    /// The pinned root at its end.
    pub(super) root: CertificateDer<'static>,
    /// The newest list of the leaf's issuer that was used.
    pub(super) crl: Option<CrlSeen>,
}

/// Finds the path of the first certificate in `chain`, which is `whose`.
pub(super) fn verify<'a>(
    chain: &'a [CertificateDer<'a>],
    anchors: &TrustAnchors,
    when: When,
    crls: &Crls,
    usage: KeyUsage,
    whose: Whose,
) -> Result<Path<'a>, Untrusted> {
    let (leaf, others) = chain.split_first().ok_or(Untrusted::NoCertificate)?;
    if chain.len() > MAX_CHAIN {
        return Err(Untrusted::ChainTooLong);
    }
    if chain.iter().any(|certificate| certificate.len() > MAX_CERTIFICATE) {
        return Err(Untrusted::TooLarge);
    }
    let parsed = Certificate::parse(leaf).ok_or(Untrusted::Unreadable)?;
    let end_entity = EndEntityCert::try_from(leaf).map_err(|error| untrusted::from_webpki(&error, whose))?;

    let mut refusal = Untrusted::UnknownRoot;
    for moment in moments(&parsed, others, when) {
        let search = Search { end_entity: &end_entity, anchors, moment, usage };
        match search.path(others, None) {
            Ok((issuers, root)) => {
                // From here on this path alone counts: another one must not hide a revocation.
                let crl = search.require_not_revoked(&issuers, crls, whose)?;
                return Ok(Path { leaf, issuers, root, crl });
            }
            Err(error) => {
                let (not_before, not_after) = parsed.validity();
                let own = moment < not_before || seconds(moment) > seconds(not_after);
                refusal = untrusted::from_webpki(&error, if own { whose } else { Whose::Authority });
            }
        }
    }
    Err(refusal)
}

/// The moments to judge a certificate at; it is enough that one is good.
///
/// Independent of time that is its own first moment, moved into the validity of each certificate that may be its
/// issuer's: an organisation may renew its certificate and send the new one along with what the old one signed.
fn moments(leaf: &Certificate<'_>, others: &[CertificateDer<'_>], when: When) -> Vec<Timestamp> {
    if let When::At(moment) = when {
        return vec![moment];
    }
    let (from, _) = leaf.validity();
    let issuers = others.iter().filter_map(|other| Certificate::parse(other));
    let mut moments: Vec<_> = issuers
        .filter(|issuer| issuer.x509().subject().as_raw() == leaf.x509().issuer().as_raw())
        .map(|issuer| from.max(issuer.validity().0).min(issuer.validity().1))
        .collect();
    if moments.is_empty() {
        moments.push(from);
    }
    moments
}

/// What stays the same from one look at the path to the next.
struct Search<'a> {
    end_entity: &'a EndEntityCert<'a>,
    anchors: &'a TrustAnchors,
    moment: Timestamp,
    usage: KeyUsage,
}

impl Search<'_> {
    /// The certificates between the end and the root, and the root.
    fn path(
        &self,
        others: &[CertificateDer<'_>],
        revocation: Option<RevocationOptions<'_>>,
    ) -> Result<(Vec<CertificateDer<'static>>, CertificateDer<'static>), webpki::Error> {
        let time = UnixTime::since_unix_epoch(Duration::from_secs(seconds(self.moment)));
        let anchors = self.anchors.as_webpki();
        let path =
            self.end_entity.verify_for_usage(ALGORITHMS, anchors, others, time, self.usage, revocation, None)?;
        let root = self.anchors.certificate_of(path.anchor()).ok_or(webpki::Error::UnknownIssuer)?;
        Ok((
            path.intermediate_certificates().map(|certificate| certificate.der().into_owned()).collect(),
            root.clone(),
        ))
    }

    /// Looks for revocation of the end and of its issuers.
    fn require_not_revoked(
        &self,
        issuers: &[CertificateDer<'static>],
        crls: &Crls,
        whose: Whose,
    ) -> Result<Option<CrlSeen>, Untrusted> {
        let (mut leaf, mut authorities) = (Verdict::default(), Verdict::default());
        for crl in crls.iter() {
            if crl.issuer() == self.end_entity.issuer() {
                leaf.hear(crl, self.with(issuers, crl, RevocationCheckDepth::EndEntity, UnknownStatusPolicy::Deny));
            }
            let about_issuers = issuers.iter().any(|issuer| {
                // Parsed as an end only to read who signed it.
                EndEntityCert::try_from(issuer).is_ok_and(|issuer| issuer.issuer() == crl.issuer())
            });
            if about_issuers {
                authorities
                    .hear(crl, self.with(issuers, crl, RevocationCheckDepth::Chain, UnknownStatusPolicy::Allow));
            }
        }
        if authorities.is_revoked() {
            return Err(Untrusted::Revoked(Whose::Authority));
        }
        if leaf.is_revoked() {
            return Err(Untrusted::Revoked(whose));
        }
        Ok(leaf.0.map(|(seen, _)| seen))
    }

    fn with(
        &self,
        issuers: &[CertificateDer<'static>],
        crl: &Crl,
        depth: RevocationCheckDepth,
        unknown: UnknownStatusPolicy,
    ) -> Result<(), webpki::Error> {
        let lists = [crl.as_webpki()];
        let options = RevocationOptionsBuilder::new(&lists).map_err(|_| webpki::Error::UnknownRevocationStatus)?;
        self.path(issuers, Some(options.with_depth(depth).with_status_policy(unknown).build())).map(drop)
    }
}

/// What the newest list that is its issuer's own says, and whether that is revocation.
#[derive(Default)]
struct Verdict(Option<(CrlSeen, bool)>);

impl Verdict {
    fn hear(&mut self, crl: &Crl, said: Result<(), webpki::Error>) {
        let said = match said {
            Ok(()) => (crl.seen(), false),
            Err(webpki::Error::CertRevoked) => (crl.seen(), true),
            // Not by this issuer, or not about this certificate.
            Err(_) => return,
        };
        // Of two with one number, the one that revokes.
        if self.0.is_none_or(|(seen, revoked)| (seen.number, revoked) < (said.0.number, said.1)) {
            self.0 = Some(said);
        }
    }

    fn is_revoked(&self) -> bool {
        self.0.is_some_and(|(_, revoked)| revoked)
    }
}

fn seconds(moment: Timestamp) -> u64 {
    moment.0 / Timestamp::SECOND
}
