//! Where a relay is, and what its certificate calls it.

use std::fmt;
use std::str::FromStr;

use rustls_pki_types::ServerName;

/// Where a relay is and what its certificate calls it.
#[derive(Clone, PartialEq, Eq)]
pub struct RelayAddress {
    host: String,
    port: u16,
    name: String,
}

/// Why a text is not a relay's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RelayAddressError {
    /// Not `host:port`.
    #[error("a relay's address has the form host:port, such as relay.example:4433")]
    Form,
    /// The name cannot stand in a certificate.
    #[error("the relay's name is a domain name or an IP address")]
    Name,
}

impl RelayAddress {
    /// An address whose certificate bears another name than its host.
    pub fn with_name(self, name: &str) -> Result<Self, RelayAddressError> {
        let name = ServerName::try_from(name).map_err(|_| RelayAddressError::Name)?;
        Ok(Self { name: name.to_str().into_owned(), ..self })
    }

    /// The host: a domain name or an IP address.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The UDP port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The name that the relay's certificate bears.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl FromStr for RelayAddress {
    type Err = RelayAddressError;

    fn from_str(text: &str) -> Result<Self, RelayAddressError> {
        let (host, port) = text.rsplit_once(':').ok_or(RelayAddressError::Form)?;
        let port = port.parse().map_err(|_| RelayAddressError::Form)?;
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let name = ServerName::try_from(host).map_err(|_| RelayAddressError::Form)?;
        Ok(Self { host: host.to_owned(), port, name: name.to_str().into_owned() })
    }
}

impl fmt::Display for RelayAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl fmt::Debug for RelayAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RelayAddress(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_host_and_a_port() {
        for (text, host, port) in
            [("relay.example:4433", "relay.example", 4433), ("127.0.0.1:1", "127.0.0.1", 1), ("[::1]:9", "::1", 9)]
        {
            let address: RelayAddress = text.parse().expect("valid");
            assert_eq!((address.host(), address.port(), address.name()), (host, port, host));
            assert_eq!(address.to_string(), text);
        }
        for text in ["relay.example", "relay.example:", ":1", "relay.example:70000", "a b:1", ""] {
            assert!(text.parse::<RelayAddress>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_certificate_may_bear_another_name_than_the_host() {
        let address: RelayAddress = "127.0.0.1:4433".parse().expect("valid");
        let named = address.clone().with_name("relay.example").expect("valid");
        assert_eq!((named.host(), named.name()), ("127.0.0.1", "relay.example"));
        assert_eq!(address.with_name("not a name"), Err(RelayAddressError::Name));
        assert_eq!(format!("{named:?}"), "RelayAddress(..)");
    }
}
