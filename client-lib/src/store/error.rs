//! Why the store cannot be used, by cause.

/// Why the store cannot be used. What was stored before is untouched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// There is no store in the folder.
    #[error("there is no store here; set this device up first")]
    Missing,
    /// Its key has been destroyed.
    #[error("this device has been wiped, and nothing opens what is left of it; set it up again")]
    Wiped,
    /// There is a store in the folder already.
    #[error("there is a store here already; it is left as it is")]
    Exists,
    /// The passphrase or key is not this store's.
    #[error("this passphrase does not open the store; try again")]
    WrongKey,
    /// Another process has it open.
    #[error("the store is open in another program; close that first")]
    InUse,
    /// A newer version of the product wrote it.
    #[error("the store was written by a newer version ({found}, this one knows {known}); update the program")]
    Newer {
        /// Its schema version.
        found: i64,
        /// Newest schema version that this program knows.
        known: i64,
    },
    /// What is in it does not make sense.
    #[error("the store is damaged; wipe this device, set it up anew, and have it added to its cases again")]
    Corrupt,
    /// No space is left.
    #[error("the disk is full; nothing of this step was stored; make room and try again")]
    DiskFull,
    /// The disk cannot be written.
    #[error("the store cannot be written; check the folder's permissions and the disk")]
    ReadOnly,
    /// The operating system failed to read or write.
    #[error("the store could not be read or written ({0})")]
    Io(std::io::ErrorKind),
    /// A conflict inside this program.
    #[error("the store was used in a way it does not allow; this is a fault of the program")]
    Internal,
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode as Code;
        match error.sqlite_error_code() {
            Some(Code::DiskFull) => Self::DiskFull,
            Some(Code::ReadOnly | Code::PermissionDenied) => Self::ReadOnly,
            Some(Code::DatabaseBusy | Code::DatabaseLocked) => Self::InUse,
            Some(Code::NotADatabase | Code::DatabaseCorrupt) => Self::Corrupt,
            Some(Code::CannotOpen) => Self::Io(std::io::ErrorKind::NotFound),
            Some(Code::SystemIoFailure) => Self::Io(std::io::ErrorKind::Other),
            Some(_) => Self::Internal,
            // Values that do not convert: what was written is not what this version reads.
            None => Self::Corrupt,
        }
    }
}

impl From<std::io::Error> for StoreError {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Self::DiskFull,
            std::io::ErrorKind::ReadOnlyFilesystem | std::io::ErrorKind::PermissionDenied => Self::ReadOnly,
            kind => Self::Io(kind),
        }
    }
}
