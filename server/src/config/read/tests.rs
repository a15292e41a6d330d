//! Files as operators write them, and what they are told.

use super::*;

const LEAST: &str = "[tls]\ncertificate = \"relay.pem\"\nprivate_key = \"relay.key\"\n\
                     region_roots = [\"/roots/region.pem\"]\n[store]\ndata = \"data\"\n";

fn complaints(text: &str) -> Vec<String> {
    let error = parse(text, Path::new("/etc/kring")).expect_err("must be refused");
    error.findings.iter().map(ToString::to_string).collect()
}

#[test]
fn the_least_file_has_the_defaults_and_paths_beside_itself() {
    let config = parse(LEAST, Path::new("/etc/kring")).expect("valid");
    assert_eq!(config.tls.certificate, Path::new("/etc/kring/relay.pem"));
    assert_eq!(config.tls.region_roots, [Path::new("/roots/region.pem")]);
    assert_eq!(config.limits, Limits::default());
    assert_eq!(config.times, Times::default());
    assert_eq!(config.observe, None);
    assert_eq!(config.log, LogSettings::default());
}

#[test]
fn the_example_file_states_the_defaults() {
    let example = include_str!("../../../../deploy/relay.toml");
    let config = parse(example, Path::new("/")).expect("the example is valid");
    let least = Config::new(
        DEFAULT_LISTEN.parse().expect("an address"),
        config.tls.clone(),
        config.store.data.clone(),
        config.store.relay_key.clone(),
    );
    assert_eq!(Config { observe: None, ..config.clone() }, least);
    assert!(config.observe.is_some_and(|observe| observe.address.ip().is_loopback()));
    for key in ["queue_records", "message_kib", "reconnect_spread_seconds", "min_free_mib", "crls", "format"] {
        assert!(example.contains(&format!("\n{key} = ")), "{key} is documented");
    }
}

#[test]
fn everything_wrong_is_named_at_once_with_its_line_and_what_to_write() {
    let text = format!(
        "{LEAST}cash_mib = 64\ncache_mib = 1\n[limits]\nconnections = \"many\"\nzebra = 1\n[limit]\n\
         [log]\nlevel = \"loud\"\n[observe]\naddress = \"0.0.0.0:9464\"\n"
    );
    let complaints = complaints(&text);
    assert_eq!(
        complaints,
        [
            "line 7: there is no setting store.cash_mib; write cache_mib",
            "line 8: store.cache_mib cannot be used; write a whole number from 16 to 1048576",
            "line 10: limits.connections cannot be used; write a whole number from 1 to 1000000",
            "line 11: there is no setting limits.zebra; remove it, or write one of connections, \
             connections_per_device, handshakes, message_kib, queue_kib, queue_records, request_mib, \
             requests_per_connection",
            "line 12: there is no section [limit]; write [limits]",
            "line 14: log.level cannot be used; write one of \"error\", \"warn\", \"info\", \"debug\", \"trace\"",
            "line 16: observe.address can be reached by other machines; write \"127.0.0.1:9464\", or \
             observe.allow_other_addresses = true if a firewall protects it",
        ]
    );
}

#[test]
fn what_is_missing_is_named() {
    assert_eq!(
        complaints("[store]\n"),
        [
            "tls.certificate is missing; write a path in quotes",
            "tls.private_key is missing; write a path in quotes",
            "tls.region_roots is missing; write a list of paths, such as [\"/etc/kring/region.pem\"]",
            "store.data is missing; write a path in quotes",
        ]
    );
}

#[test]
fn what_is_not_toml_is_named_with_its_line() {
    let complaints = complaints(&format!("{LEAST}\n= 3\n"));
    assert!(complaints[0].starts_with("line 8: this is not TOML"), "{complaints:?}");
}

#[test]
fn an_endpoint_for_other_machines_must_be_said_on_purpose() {
    let text = format!("{LEAST}[observe]\naddress = \"10.0.0.1:9464\"\nallow_other_addresses = true\n");
    assert!(parse(&text, Path::new("/")).is_ok());
}
