//! openmls's provider: its Rust cryptography and randomness, and the store over the step's open transaction.

use openmls::prelude::OpenMlsProvider;
use openmls_rust_crypto::RustCrypto;
use openmls_sqlite_storage::SqliteStorageProvider;
use rusqlite::Connection;

use crate::store::Cbor;

/// What openmls needs for one step.
pub(crate) struct Provider<'p> {
    crypto: &'p RustCrypto,
    storage: SqliteStorageProvider<Cbor, &'p Connection>,
}

impl<'p> Provider<'p> {
    pub(crate) fn new(crypto: &'p RustCrypto, storage: SqliteStorageProvider<Cbor, &'p Connection>) -> Self {
        Self { crypto, storage }
    }
}

impl<'p> OpenMlsProvider for Provider<'p> {
    type CryptoProvider = RustCrypto;
    type RandProvider = RustCrypto;
    type StorageProvider = SqliteStorageProvider<Cbor, &'p Connection>;

    fn storage(&self) -> &Self::StorageProvider {
        &self.storage
    }

    fn crypto(&self) -> &RustCrypto {
        self.crypto
    }

    fn rand(&self) -> &RustCrypto {
        self.crypto
    }
}
