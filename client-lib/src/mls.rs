//! MLS (RFC 9420): groups, Commits, the merge gate, access keys, padding, sealing.

mod credentials;

pub use credentials::DeviceCredentials;
