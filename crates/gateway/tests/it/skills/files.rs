//! Paths that are no plain files, and names that are no plain text.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use serde_json::json;

use crate::support::skilled::{OFF, Skilled};

#[tokio::test]
async fn what_is_neither_a_file_nor_a_directory_is_refused() {
    let skilled = Skilled::shipped(&[]).await;
    let pipe = skilled.workspace.join("pipe");
    mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let _socket = UnixListener::bind(skilled.workspace.join("socket")).unwrap();
    symlink("pipe", skilled.workspace.join("link-to-pipe")).unwrap();
    let calls = [
        ("code-search", json!({ "pattern": "x" })),
        ("list-files", json!({})),
        ("read-file", json!({})),
    ];
    for (skill, extra) in calls {
        for path in ["pipe", "socket", "link-to-pipe", "./pipe"] {
            let mut extra = extra.clone();
            extra["path"] = json!(path);
            let answer = skilled.call(skill, &extra).await;
            let problem = answer.problem(422, "invalid_extra");
            let error = &problem["errors"][0];
            assert_eq!(error["pointer"], "/extra/path", "{skill} {path}");
            let detail = error["detail"].as_str().unwrap();
            assert!(
                detail.contains("neither a file nor a directory"),
                "{detail}"
            );
        }
    }
    // Beside such ones the search goes on.
    skilled.write("good.txt", "needle\n");
    let result = skilled
        .result("code-search", &json!({ "pattern": "needle" }))
        .await;
    assert_eq!(
        result["output"]["matches"][0]["file"], "good.txt",
        "{result}"
    );
    skilled.stop().await;
}

#[tokio::test]
async fn a_file_that_is_named_with_a_dash_is_a_file() {
    for settings in [&[][..], &[OFF]] {
        let skilled = Skilled::shipped(settings).await;
        let absent = skilled.call("read-file", &json!({ "path": "-" })).await;
        absent.problem(422, "invalid_extra");
        for name in ["-", "--version", "-rf"] {
            skilled.write(name, "needle\n");
            let read = skilled.result("read-file", &json!({ "path": name })).await;
            assert_eq!(read["output"], "needle\n", "{name}: {read}");
            let search = json!({ "pattern": "needle", "path": name });
            let found = skilled.result("code-search", &search).await;
            assert_eq!(found["output"]["matches"][0]["file"], name, "{found}");
            let list = skilled.result("list-files", &json!({ "path": name })).await;
            assert_eq!(list["output"]["files"], json!([name]));
        }
        skilled.stop().await;
    }
}

#[tokio::test]
async fn each_file_is_one_entry_whatever_its_name() {
    let skilled = Skilled::shipped(&[]).await;
    let token = format!("ghp_{}", "aB3dE5fG7h".repeat(4));
    for name in ["line\nbreak", "caf\u{e9}", " ", "a\u{1b}[31mb", &token] {
        skilled.write(name, "needle\n");
    }
    let bad = OsStr::from_bytes(b"bad-\xff");
    fs::write(skilled.workspace.join(bad), "needle\n").unwrap();
    let answer = skilled.call("list-files", &json!({})).await.json();
    let files = answer["tool_result"]["output"]["files"].as_array().unwrap();
    let mut files: Vec<&str> = files.iter().map(|file| file.as_str().unwrap()).collect();
    files.sort_unstable();
    assert_eq!(
        files,
        [
            " ",
            "[REDACTED:github_token]",
            "ab",
            "bad-\u{fffd}",
            "caf\u{e9}",
            "line\nbreak"
        ]
    );
    assert_eq!(answer["meta"]["redactions"]["response"]["github_token"], 1);
    // They can be searched too.
    let result = skilled
        .result("code-search", &json!({ "pattern": "needle" }))
        .await;
    assert_eq!(
        result["output"]["matches"].as_array().unwrap().len(),
        6,
        "{result}"
    );
    assert_eq!(result["output"]["omitted_lines"], 0);
    skilled.stop().await;
}

/// A name on one line makes a secret of the value on the next, whichever of them is read.
#[tokio::test]
async fn lines_of_a_file_are_hidden_as_they_are_in_the_whole() {
    let skilled = Skilled::shipped(&[]).await;
    let value = format!("kJ8sQ2m{}", "Z7xWq4LtRv9Yp3NcB");
    skilled.write(
        "config.yaml",
        format!("one\napi_key:\n    \"{value}\"\nlast\n"),
    );
    for (first, last) in [(3, 3), (3, 4), (1, 400), (2, 3)] {
        let extra = json!({ "path": "config.yaml", "first_line": first, "last_line": last });
        let result = skilled.result("read-file", &extra).await;
        let output = result["output"].as_str().unwrap();
        assert!(
            !output.contains("kJ8s") && output.contains("[REDACTED:"),
            "{output}"
        );
    }
    let long = format!("{}\n", "word ".repeat(20)).repeat(300_000);
    skilled.write("long.txt", format!("{long}the end\n"));
    let extra = json!({ "path": "long.txt", "first_line": 300_001, "last_line": 300_001 });
    assert_eq!(
        skilled.result("read-file", &extra).await["output"],
        "the end\n"
    );
    skilled.stop().await;
}
