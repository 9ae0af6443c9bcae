use std::path::Path;

use super::*;

const GOOD: &str = r#"
name = "grep"
description = "Searches."
workspace = "read-only"
result = "text"
message = "pattern"

[parameters]
type = "object"
required = ["pattern"]
[parameters.properties.pattern]
type = "string"
maxLength = 10
[parameters.properties.path]
type = "string"
x-path = "workspace"
default = "."
[parameters.properties.globs]
type = "array"
items = { type = "string", x-path = "glob" }
[parameters.properties.word]
type = "boolean"

[run]
kind = "command"
program = "/bin/sh"
args = [
    "--regexp={pattern}",
    { when = "word", args = ["--word"] },
    { each = "globs", args = ["--glob={}"] },
    "--",
    "{path}",
]

[[examples]]
extra = { pattern = "x" }
expect = { status = "ok" }
"#;

fn problems(text: &str) -> Vec<(usize, String)> {
    match parse(Path::new("grep.toml"), text) {
        Ok(_) => Vec::new(),
        Err(problems) => problems
            .into_iter()
            .map(|one| (one.line, one.detail))
            .collect(),
    }
}

/// What is wrong with the good file when `old` in it is `new`.
fn wrong(old: &str, new: &str) -> Vec<(usize, String)> {
    assert!(GOOD.contains(old), "{old}");
    problems(&GOOD.replacen(old, new, 1))
}

#[track_caller]
fn refused(old: &str, new: &str, line: usize, detail: &str) {
    let found = wrong(old, new);
    let is_found = found
        .iter()
        .any(|(at, said)| *at == line && said.contains(detail));
    assert!(is_found, "{detail:?} at {line} in {found:?}");
}

#[test]
fn a_good_file_has_no_problem() {
    assert_eq!(problems(GOOD), []);
}

#[test]
fn every_mistake_is_told_at_once_with_its_line() {
    let text = r#"name = "Grep"
color = "red"
result = "xml"
deadline_sec = 121
[limits]
memory_mb = "lots"
[parameters]
type = "array"
additionalProperties = true
[parameters.properties.message]
type = "string"
[parameters.properties.n]
type = "integr"
[run]
kind = "command"
program = "rg"
args = ["{"]
[[examples]]
extra = { n = 1 }
"#;
    let lines: Vec<usize> = problems(text).into_iter().map(|(line, _)| line).collect();
    assert_eq!(lines, [1, 1, 2, 3, 4, 6, 7, 7, 10, 12, 16, 17, 18]);
}

#[test]
fn mistakes_deep_inside_are_told_once_each() {
    let text = r#"name = "grep"
description = "d"
workspace = "read-only"
result = "text"
scopes = [
    "a",
    5,
]
[run]
kind = "command"
stdin = 5
ok_exit_codes = [0, 300]
[run.environment]
"A-B" = "1"
PATH = "/x"
C = 1
[run.tests.cargo]
program = "cargo"
args = [
    { when = "a", arg = ["x"] },
    5,
    { when = "a", each = "b", args = [] },
    { each = "b", args = ["{"] },
]
[run.tests.maven]
program = "path:mvn"
[run.tests.go]
[[examples]]
expect = { since = 2020-01-01 }
[[examples]]
expect = 5
"#;
    let found = problems(text);
    let lines: Vec<usize> = found.iter().map(|(line, _)| *line).collect();
    let expected = [7, 11, 12, 14, 15, 16, 18, 20, 21, 22, 23, 25, 27, 29, 31];
    assert_eq!(lines, expected, "{found:#?}");
    assert!(
        found[6].1.starts_with("run.tests.cargo.program: must be"),
        "{found:#?}"
    );
}

#[test]
fn the_name_is_the_files() {
    refused("name = \"grep\"", "name = \"other\"", 2, "the file's");
    refused(
        "name = \"grep\"",
        "nam = \"grep\"",
        2,
        "unknown field `nam`",
    );
}

#[test]
fn what_is_used_is_declared_and_what_is_declared_is_used() {
    refused(
        "{path}\"",
        "{file}\"",
        32,
        "{file} is no declared parameter",
    );
    refused("{path}\"", "x\"", 24, "path is declared, and never used");
    refused(
        "message = \"pattern\"",
        "message = \"word\"",
        6,
        "declared string",
    );
    refused("\"globs\", args", "\"word\", args", 30, "is none");
    refused("\"--glob={}\"", "\"--glob\"", 30, "must hold {}");
    refused("\"--\"", "\"--{}\"", 31, "only in `each`");
}

#[test]
fn a_value_cannot_become_an_option() {
    refused("--regexp={pattern}", "{pattern}", 28, "taken for an option");
    refused("--regexp={pattern}", "-e{pattern}", 28, "--name={");
    refused("--regexp={pattern}", "--{pattern}", 28, "--name={");
    refused("\"--word\"", "\"{pattern}\"", 29, "taken for an option");
    refused("\"--glob={}\"", "\"{}\"", 30, "taken for an option");
    refused("    \"--\",\n", "", 31, "taken for an option");
    // What follows is for another program, which has options of its own.
    refused(
        "    \"{path}\",",
        "    \"{path}\", \"-x\",",
        32,
        "taken for an option",
    );
    refused("args = [\"--word\"]", "args = [\"--\"]", 29, "conditional");
    assert_eq!(wrong("--regexp={pattern}", "-e={pattern}"), []);
}

#[test]
fn a_place_always_has_a_value() {
    refused("default = \".\"\n", "", 31, "may be missing");
    refused("\"{path}\"", "\"{globs}\"", 32, "no single value");
    assert_eq!(wrong("\"--word\"", "\"--word={word}\""), []);
}

#[test]
fn a_schema_must_be_one() {
    refused("maxLength = 10", "maxLength = \"ten\"", 11, "JSON Schema");
    refused("maxLength = 10", "format = \"no-such\"", 11, "JSON Schema");
    refused("maxLength = 10", "pattern = \"(\"", 11, "JSON Schema");
    refused(
        "maxLength = 10",
        "\"$ref\" = \"https://example.invalid/x\"",
        8,
        "JSON Schema",
    );
    refused(
        "required = [\"pattern\"]",
        "required = [\"pat\"]",
        8,
        "not declared",
    );
    refused("default = \".\"", "default = 5", 14, "does not fit");
    refused(
        "x-path = \"workspace\"",
        "x-path = \"host\"",
        14,
        "x-path must be",
    );
    refused(
        "type = \"boolean\"",
        "type = \"boolean\"\nx-path = \"glob\"",
        21,
        "belongs to a string",
    );
}

#[test]
fn an_annotation_stands_where_it_is_read() {
    for wrong in ["x-paths = \"glob\"", "x_path = \"glob\"", "X-path = 1"] {
        refused(
            "type = \"boolean\"",
            &format!("type = \"boolean\"\n{wrong}"),
            21,
            "unknown key",
        );
        refused(
            "type = \"object\"",
            &format!("type = \"object\"\n{wrong}"),
            8,
            "unknown key",
        );
    }
    for (place, line) in [
        ("allOf = [{ x-path = \"workspace\" }]", 11),
        ("anyOf = [{ type = \"string\", x-multiline = true }]", 11),
        ("items = { x-multiline = true }", 11),
        ("items = { items = { x-path = \"glob\" } }", 11),
        ("properties.x-inner = { x-path = \"glob\" }", 11),
    ] {
        refused("maxLength = 10", place, line, "is not read here");
    }
    let elsewhere = "required = [\"pattern\"]\n[parameters.\"$defs\".p]\nx-path = \"glob\"\n";
    refused(
        "required = [\"pattern\"]\n",
        elsewhere,
        8,
        "is not read here",
    );
    refused(
        "type = \"array\"",
        "type = \"array\"\nx-path = \"glob\"",
        18,
        "stands twice",
    );
    refused(
        "maxLength = 10",
        "x-multiline = \"yes\"",
        11,
        "true or false",
    );
    // Names and data are no keys.
    let named = "type = \"object\"\nproperties.xs = {}\ndefault = { x-path = 1 }";
    assert_eq!(wrong("type = \"boolean\"", named), []);
}

#[test]
fn examples_fit_the_schema() {
    refused(
        "{ pattern = \"x\" }",
        "{ pattern = 5 }",
        35,
        "/extra/pattern: must be of type string",
    );
    refused(
        "{ pattern = \"x\" }",
        "{ colour = \"x\" }",
        35,
        "extra.colour is not declared",
    );
    assert_eq!(wrong("extra = { pattern = \"x\" }", "message = \"x\""), []);
}

#[test]
fn programs_are_absolute_and_exist() {
    refused("/bin/sh", "sh", 26, "absolute path");
    refused("/bin/sh", "./sh", 26, "absolute path");
    refused("/bin/sh", "codex-package:../sh", 26, "absolute path");
    refused("/bin/sh", "/no/such/program", 26, "no such program");
    assert_eq!(wrong("/bin/sh", "codex-package:rg"), []);
    assert_eq!(wrong("/bin/sh", "path:anything"), []);
}

#[test]
fn limits_have_bounds() {
    refused("result", "deadline_sec = 121\nresult", 5, "async = true");
    assert_eq!(
        wrong("result", "async = true\ndeadline_sec = 121\nresult"),
        []
    );
    refused(
        "result",
        "max_output_bytes = 1\nresult",
        5,
        "a whole number",
    );
    refused(
        "[run]",
        "[run.environment]\nHOME = \"/x\"\n[run]",
        25,
        "set by the sandbox",
    );
}

#[test]
fn the_other_kinds_are_read_whole_too() {
    let codex = r#"
name = "grep"
description = "Reviews."
result = "json"
[parameters]
type = "object"
required = ["diff"]
[parameters.properties.diff]
type = "string"
[run]
kind = "codex"
prompt = "Review {diff}, as {message} says."
output_schema = { type = "object" }
"#;
    assert_eq!(problems(codex), []);
    let wrong = problems(
        &codex
            .replace("{message}", "{colour} and {context}")
            .replace("kind", "colour = 1\nkind"),
    );
    assert_eq!(wrong.len(), 3, "{wrong:?}");
    let forms = codex.replace(
        "result = \"json\"",
        "result = \"ndjson\"\nparser = \"ripgrep\"",
    );
    let not_lines = "the answer of a turn is \"json\" or \"text\"".to_owned();
    let no_parser = "the answer of a turn has no parser".to_owned();
    assert_eq!(problems(&forms), [(4, not_lines), (5, no_parser)]);
    let cli = codex.replace("\"codex\"", "\"cli\"");
    let (_, run) = cli.split_once("prompt").unwrap();
    let args = "skill = \"review\"\nstdin = \"context\"\nargs = [\"{diff}\"]\n";
    let cli = cli.replace(&format!("prompt{run}"), args);
    // Behind a `--` of ours, so a value may stand alone.
    assert_eq!(problems(&cli), []);
    assert_eq!(problems(&cli.replace("{diff}", "{dif}")).len(), 2);
}
