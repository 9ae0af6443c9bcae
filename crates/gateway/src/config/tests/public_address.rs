//! What an address needs that others can reach.

use serde::Deserialize as _;

use super::*;
use crate::config::checks::check_public_address;
use crate::config::declaration::SETTINGS;
use crate::config::layers::Layers;
use crate::config::sections::Sections;
use crate::config::{documents, file, variables};

/// What is wrong with serving callers who are known on these settings.
fn mistakes(settings: &[(&str, &str)]) -> Vec<String> {
    let mut layers = Layers::of(&SETTINGS);
    file::read_defaults(&documents::render_defaults(), &mut layers);
    variables::read(&environment(settings), &mut layers);
    let sections = Sections::deserialize(layers.origins.take_document()).unwrap();
    check_public_address(&sections, true, &mut layers);
    let mistakes = layers.diagnostics.mistakes.iter();
    mistakes.map(ToString::to_string).collect()
}

#[test]
fn callers_are_known_and_nobody_can_listen() {
    for address in [
        "0.0.0.0:8000",
        "[::]:8000",
        "10.0.0.1:80",
        "[2001:db8::1]:80",
    ] {
        let said = problem(keyed(&[("PORTCULLIS_BIND", address)]));
        assert!(said.contains("not asked who they are"), "{said}");

        let bind = ("PORTCULLIS_BIND", address);
        let said = mistakes(&[bind]).concat();
        assert!(said.contains("PORTCULLIS_TLS_CERT_FILE"), "{said}");
        assert!(said.contains("PORTCULLIS_TRUST_PROXY"), "{said}");
        assert!(mistakes(&[bind, ("PORTCULLIS_TRUST_PROXY", "10.0.0.0/8")]).is_empty());
        let tls = [
            bind,
            ("PORTCULLIS_TLS_CERT_FILE", "/tls.crt"),
            ("PORTCULLIS_TLS_KEY_FILE", "/tls.key"),
        ];
        assert!(mistakes(&tls).is_empty());
        assert_eq!(mistakes(&tls[..2]).len(), 1);
    }
    for address in [
        "127.0.0.1:8000",
        "127.9.9.9:1",
        "[::1]:0",
        "[::ffff:127.0.0.1]:80",
    ] {
        assert!(keyed(&[("PORTCULLIS_BIND", address)]).is_ok(), "{address}");
        assert!(mistakes(&[("PORTCULLIS_BIND", address)]).is_empty());
    }
}
