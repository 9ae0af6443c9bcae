//! What an address needs that others can reach.

use serde::Deserialize as _;

use super::*;
use crate::config::checks::check_public_address;
use crate::config::declaration::SETTINGS;
use crate::config::layers::Layers;
use crate::config::sections::Sections;
use crate::config::{SandboxMode, choose_sandbox_mode, documents, file, variables};

/// The settings, before anything is held against anything.
fn written(settings: &[(&str, &str)]) -> (Sections, Layers) {
    let mut layers = Layers::of(&SETTINGS);
    file::read_defaults(&documents::render_defaults(), &mut layers);
    variables::read(&environment(settings), &mut layers);
    let sections = Sections::deserialize(layers.origins.take_document()).unwrap();
    (sections, layers)
}

/// The settings, held against each other for callers who are known.
fn checked(settings: &[(&str, &str)]) -> Layers {
    let (sections, mut layers) = written(settings);
    check_public_address(&sections, true, &mut layers);
    layers
}

/// What is wrong with serving callers who are known on these settings.
fn mistakes(settings: &[(&str, &str)]) -> Vec<String> {
    let layers = checked(settings);
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
        let anyone = ("PORTCULLIS_AUTH", "none");
        let said = problem(keyed(&[("PORTCULLIS_BIND", address), anyone]));
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

#[test]
fn a_gateway_that_nobody_can_ask_for_is_probably_not_meant() {
    let public = [
        ("PORTCULLIS_BIND", "0.0.0.0:8000"),
        ("PORTCULLIS_TRUST_PROXY", "10.0.0.0/8"),
    ];
    let warnings = checked(&public).diagnostics.warnings;
    assert!(warnings[0].to_string().contains("allowed_hosts"));
    let named = ("PORTCULLIS_ALLOWED_HOSTS", "chat.example");
    let layers = checked(&[&public[..], &[named]].concat());
    assert!(layers.diagnostics.warnings.is_empty());
}

#[test]
fn who_serves_more_than_this_machine_has_a_sandbox_unless_it_is_switched_off() {
    let mode = |settings: &[(&str, &str)]| {
        let (mut sections, mut layers) = written(settings);
        choose_sandbox_mode(&mut sections, &mut layers);
        sections.codex.sandbox.mode
    };
    let public = ("PORTCULLIS_BIND", "0.0.0.0:8000");
    assert_eq!(mode(&[]), SandboxMode::Auto);
    assert_eq!(mode(&[public]), SandboxMode::Required);
    for (written, meant) in [("off", SandboxMode::Off), ("auto", SandboxMode::Auto)] {
        assert_eq!(mode(&[public, ("PORTCULLIS_SANDBOX", written)]), meant);
    }
}
