//! How values stand in the store: CBOR (RFC 8949) through serde, for our own rows and for the MLS library's.

use openmls_sqlite_storage::Codec;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::StoreError;

/// The codec that the MLS library's storage uses.
#[derive(Debug, Default)]
pub(crate) struct Cbor;

/// A value could not be written or read.
#[derive(Debug, thiserror::Error)]
#[error("a stored value does not have the expected form")]
pub(crate) struct CodecError;

impl Codec for Cbor {
    type Error = CodecError;

    fn to_vec<T: Serialize>(value: &T) -> Result<Vec<u8>, CodecError> {
        cbor4ii::serde::to_vec(Vec::new(), value).map_err(|_| CodecError)
    }

    fn from_slice<T: DeserializeOwned>(slice: &[u8]) -> Result<T, CodecError> {
        cbor4ii::serde::from_slice(slice).map_err(|_| CodecError)
    }
}

/// Encodes a row.
pub(crate) fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, StoreError> {
    Cbor::to_vec(value).map_err(|_| StoreError::Internal)
}

/// Decodes a row.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, StoreError> {
    Cbor::from_slice(bytes).map_err(|_| StoreError::Corrupt)
}
