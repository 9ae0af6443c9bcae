//! Proves that the rule table in `docs/redaction.md` says what the rules say.
//!
//! `UPDATE_DOCS=1 cargo test -p redact --test documentation` writes it anew.

use std::fmt::Write as _;
use std::path::Path;

use redact::Redactor;

const START: &str = "<!-- rules: generated, see crates/redact/tests/documentation.rs -->\n";
const END: &str = "<!-- end of rules -->";

fn table() -> String {
    let rules = Redactor::with_default_rules().rules();
    let mut table = format!(
        "{} rules.\n\n| rule | hides | source | on |\n|---|---|---|---|\n",
        rules.len()
    );
    for rule in rules {
        let source = if rule.source.starts_with("http") {
            format!("<{}>", rule.source)
        } else {
            rule.source
        };
        let on = if rule.is_enabled { "yes" } else { "no" };
        let _ = writeln!(
            table,
            "| `{}` | {} | {source} | {on} |",
            rule.id, rule.description
        );
    }
    table
}

#[test]
fn the_table_in_the_documentation_is_the_one_of_the_rules() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/redaction.md");
    let document = std::fs::read_to_string(&path).unwrap();
    let (head, rest) = document.split_once(START).unwrap();
    let (written, tail) = rest.split_once(END).unwrap();
    let table = table();
    #[expect(
        clippy::disallowed_methods,
        reason = "how a person asks for the file to be written"
    )]
    let update = std::env::var_os("UPDATE_DOCS").is_some();
    if update {
        std::fs::write(&path, format!("{head}{START}{table}{END}{tail}")).unwrap();
        return;
    }
    assert_eq!(
        written, table,
        "run UPDATE_DOCS=1 cargo test -p redact --test documentation"
    );
}
