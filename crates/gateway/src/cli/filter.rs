//! `portcullis redact`: the redaction engine as a filter.

use std::io::{self, BufWriter, Read as _, Write};
use std::path::PathBuf;

use clap::Args;
use redact::{Finding, Redactor};

use super::unless_reader_left;
use crate::config::{self, Environment};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Report on stderr what was replaced: one line of JSON each, with rule, offset and length in bytes
    /// of the input; never the value.
    #[arg(long)]
    findings: bool,
    /// A file of redaction rules; without it, the one that `PORTCULLIS_REDACT_RULES` names.
    #[arg(long, value_name = "FILE")]
    rules: Option<PathBuf>,
}

/// What is read at once.
const PIECE_BYTES: usize = 64 * 1024;

#[expect(
    clippy::disallowed_methods,
    reason = "a filter is as fast as who reads it"
)]
pub(super) fn run(arguments: &Arguments) -> Result<(), String> {
    let named = arguments.rules.clone().or_else(|| {
        Environment::from_process()
            .get(config::REDACT_RULES_VARIABLE)
            .map(PathBuf::from)
    });
    let redactor = config::redactor(named.as_deref())?;
    let findings = arguments
        .findings
        .then(|| BufWriter::new(io::stderr().lock()));
    let copied = unless_reader_left(copy(&redactor, findings));
    copied.map_err(|error| format!("redact: {error}"))
}

#[expect(
    clippy::disallowed_methods,
    reason = "a filter is as fast as who reads it"
)]
fn copy(redactor: &Redactor, mut report: Option<impl Write>) -> io::Result<()> {
    let mut input = io::stdin().lock();
    let mut output = BufWriter::new(io::stdout().lock());
    let mut stream = redactor.stream();
    let mut piece = vec![0; PIECE_BYTES];
    let mut redacted = Vec::with_capacity(PIECE_BYTES);
    loop {
        let read = input.read(&mut piece)?;
        redacted.clear();
        let findings = if read == 0 {
            stream.finish_bytes(&mut redacted)
        } else {
            stream.feed_bytes(&piece[..read], &mut redacted);
            stream.take_findings()
        };
        output.write_all(&redacted)?;
        // What is decided is shown: the filter may stand behind a program that goes on for hours.
        output.flush()?;
        if let Some(report) = &mut report {
            write_findings(report, &findings)?;
        }
        if read == 0 {
            return Ok(());
        }
    }
}

fn write_findings(report: &mut impl Write, findings: &[Finding]) -> io::Result<()> {
    for finding in findings {
        serde_json::to_writer(&mut *report, finding)?;
        report.write_all(b"\n")?;
    }
    report.flush()
}
