//! `portcullis redact`, as a filter in a pipe.

use std::fs;
use std::io::{Read as _, Write as _};
use std::process::Stdio;

use serde_json::{Value, json};

use crate::support::running::portcullis;

const SECRET: [&str; 3] = ["AKIA", "IOSFODNN7", "EXAMPLE"];

fn filter(
    arguments: &[&str],
    environment: &[(&str, &str)],
    input: &[u8],
) -> (String, String, bool) {
    let arguments = [&["redact"], arguments].concat();
    let mut process = portcullis(&arguments, environment)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = process.stdin.take().unwrap();
    // Refused arguments leave nobody to read it.
    let _ = stdin.write_all(input);
    drop(stdin);
    let output = process.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        text(output.stdout),
        text(output.stderr),
        output.status.success(),
    )
}

#[test]
fn findings_tell_rule_and_place_and_never_the_value() {
    let secret = SECRET.concat();
    let input = format!("ü the key {secret} of ours\n");
    let (output, findings, succeeded) = filter(&["--findings"], &[], input.as_bytes());
    assert!(succeeded);
    assert_eq!(output, "ü the key [REDACTED:aws_access_key] of ours\n");
    let findings: Vec<Value> = findings
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(
        findings,
        [json!({ "rule": "aws_access_key", "offset_bytes": 11, "len_bytes": secret.len() })]
    );
    let (_, silence, _) = filter(&[], &[], input.as_bytes());
    assert_eq!(silence, "");
}

#[test]
fn a_rules_file_is_honoured_and_a_bad_one_refused() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("rules.toml");
    fs::write(
        &file,
        "[[rule]]\nid = \"aws_access_key\"\nenabled = false\n",
    )
    .unwrap();
    let file = file.to_str().unwrap();
    let input = SECRET.concat();
    assert_eq!(filter(&["--rules", file], &[], input.as_bytes()).0, input);
    let by_variable = filter(&[], &[("PORTCULLIS_REDACT_RULES", file)], input.as_bytes());
    assert_eq!(by_variable.0, input);

    fs::write(file, "[[rule]]\nid = \"Bad id\"\n").unwrap();
    let (output, complaint, succeeded) = filter(&["--rules", file], &[], input.as_bytes());
    assert!(!succeeded && output.is_empty());
    assert!(
        complaint.contains("Bad id") && complaint.contains(file),
        "{complaint}"
    );
}

/// Memory does not grow with the input, even where one line never ends.
#[test]
fn a_large_input_takes_no_more_memory_than_a_small_one() {
    const PIECE_BYTES: usize = 1 << 20;
    const PIECES: usize = 48;
    const MEMORY_LIMIT_KB: u64 = 48 * 1024;
    let mut process = portcullis(&["redact"], &[])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = process.stdin.take().unwrap();
    let mut stdout = process.stdout.take().unwrap();
    let reader = std::thread::spawn(move || {
        let mut read = 0_usize;
        let mut piece = vec![0; PIECE_BYTES];
        while let Ok(count @ 1..) = stdout.read(&mut piece) {
            read += count;
        }
        read
    });
    let piece = "password=".repeat(PIECE_BYTES / 9);
    for _ in 0..PIECES {
        stdin.write_all(piece.as_bytes()).unwrap();
    }
    let status = fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    let peak_kb: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    drop(stdin);
    assert!(process.wait().unwrap().success());
    assert!(reader.join().unwrap() > 0);
    assert!(
        peak_kb < MEMORY_LIMIT_KB,
        "{peak_kb} kB for {PIECES} MiB of input"
    );
}
