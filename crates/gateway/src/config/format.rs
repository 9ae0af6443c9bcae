//! The formats of texts, by the names that `sections.rs` gives them.

mod address;
mod jwt;
pub(super) mod money;
mod path;
pub(super) mod secret;
mod text;
pub(super) mod workspace;

pub(super) use address::{host_over_http, is_host_alone};
pub(super) use path::absolute;
pub use text::name;
pub(super) use text::{misspelt_level, refuse_quotes};

use codex_client::ArgumentTemplate;

/// How a text must look, and the form that the rest of the program uses.
#[derive(Debug)]
pub(super) struct Format {
    pub(super) name: &'static str,
    /// For people: follows "must be", or "a list of" where it is plural.
    pub(super) describe: &'static str,
    parse: fn(&str) -> Result<String, String>,
    /// Quotes are part of it, and a list may hold it twice.
    pub(super) is_literal: bool,
}

#[rustfmt::skip]
const FORMATS: &[Format] = &[
    plain("address", "an IP address with a port", address::socket),
    plain("base-url", WEB_URL, address::base_url),
    plain("azure-endpoint", WEB_URL, address::azure_endpoint),
    plain("model", "a name of 1 to 128 visible ASCII characters", text::model_name),
    plain("api-version", "v1, preview, or a date such as 2025-04-01-preview", text::api_version),
    plain("log-filter", "a tracing filter, such as info or gateway=debug,info", text::log_filter),
    plain("directory", "the path of a directory, made if it is missing", path::directory),
    plain("executable", "the path of an executable file", path::executable),
    plain("certificates", "the path of a file of PEM certificates", path::certificates),
    plain("issuer", "an https URL (http to this machine)", jwt::issuer),
    plain("jwt-algorithms", "signature algorithms", jwt::algorithm),
    plain("claim", "the name of a claim", jwt::claim),
    plain("claim-values", "values of a claim", jwt::claim),
    plain("scope-map", "value=scope", jwt::scope_mapping),
    plain("money", "an amount such as \"0.15\"", money::amount),
    plain("name", "a name of 1 to 64 letters, digits, dots, dashes and underlines", text::name),
    plain("file", "the path of a file", path::absolute),
    plain("pem-file", "the path of a PEM file", path::absolute),
    plain("redaction-rules", "the path of a file of redaction rules", path::absolute),
    plain("secret", "a secret of visible ASCII characters", secret::from_text),
    plain("hosts", "host names without ports", address::host),
    plain("networks", "networks such as 10.0.0.0/8", address::network),
    plain("ip-addresses", "IP addresses", address::ip),
    plain("origins", "origins such as https://chat.example", address::origin),
    plain("models", "model names", text::model_name),
    plain("paths", "absolute paths that exist", path::shared),
    plain("workspaces", "name=/absolute/path", workspace::named_path),
    plain("workspace-tests", "name=cargo, npm, pytest, go or make", workspace::named_tests),
    // An option may stand twice, with two values.
    Format { is_literal: true, ..plain("arguments", "arguments", argument) },
];

const WEB_URL: &str = "an https URL (http to this machine and to named hosts)";

/// Of a setting that names no format, or one that is not in the table. It takes nothing.
const UNKNOWN: Format = plain("", "of a known format, and is not: this is a bug", refuse);

/// The format of that name; where there is none, one that takes nothing.
pub(super) fn named(name: &str) -> &'static Format {
    FORMATS
        .iter()
        .find(|format| format.name == name)
        .unwrap_or(&UNKNOWN)
}

const fn plain(
    name: &'static str,
    describe: &'static str,
    parse: fn(&str) -> Result<String, String>,
) -> Format {
    Format {
        name,
        describe,
        parse,
        is_literal: false,
    }
}

impl Format {
    /// The error says what is wrong, and never repeats the text: it may be a key in the wrong place.
    pub(super) fn read(&self, text: &str) -> Result<String, String> {
        if !self.is_literal {
            refuse_quotes(text)?;
        }
        (self.parse)(text)
    }
}

fn argument(text: &str) -> Result<String, String> {
    ArgumentTemplate::parse(text).map(|template| template.to_string())
}

fn refuse(_: &str) -> Result<String, String> {
    Err(format!("must be {}", UNKNOWN.describe))
}
