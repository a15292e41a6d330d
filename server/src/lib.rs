//! The Kring relay: a delivery service for MLS groups (RFC 9420, RFC 9750) over QUIC.

