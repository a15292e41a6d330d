//! Lists of revoked certificates (RFC 5280 §5): handed in, kept by the relay, read by everybody.

use crate::ids::{CrlDigest, CrlNumber, IssuerId};
use crate::payload::Payload;
use crate::wire::structure;

structure! {
    /// Hands in a list. Whoever is admitted may: the issuer's signature is what counts.
    pub struct PublishCrl {
        /// The list, DER.
        0 => crl: Payload;
        /// The certificate of the authority that signed it, DER; absent: a region root signed it.
        1 => issuer: Payload, optional;
    }
}

structure! {
    /// Reads the lists that the client does not have in their newest form.
    pub struct ReadCrls {
        /// The newest number that the client has of each issuer.
        0 => known: KnownCrl, list;
    }
}

structure! {
    /// A list that the client has.
    pub struct KnownCrl {
        /// Whose.
        0 => issuer: IssuerId;
        /// Its number.
        1 => number: CrlNumber;
    }
}

structure! {
    /// The newest list of one issuer.
    pub struct Crl {
        /// The list, DER.
        0 => crl: Payload;
        /// The certificate of the authority that signed it, DER; absent: a region root signed it.
        1 => issuer: Payload, optional;
    }
}

structure! {
    /// All lists have been read.
    pub struct CrlsEnd {
        /// What the relay has now.
        0 => digest: CrlDigest;
    }
}

structure! {
    /// The relay has a newer list.
    pub struct CrlsChanged {
        /// Whose.
        0 => issuer: IssuerId;
        /// Its number.
        1 => number: CrlNumber;
    }
}
