//! What a search finds is hidden as it is in the whole file, and what it cannot read does not spoil it.

use std::os::unix::fs::symlink;

use serde_json::{Value, json};

use crate::support::skilled::{OFF, Skilled};

const DROPS: (&str, &str) = ("PORTCULLIS_SEARCH_DROPS_HIDDEN", "true");

/// Known as a secret by the name on the line above it.
fn named() -> String {
    format!("kJ8sQ2m{}", "Z7xWq4LtRv9Yp3NcB")
}

/// Put together here, so that none stands in the source. Its lines are known by its header alone.
fn key() -> String {
    let kind = "PRIVATE KEY";
    let body = format!("{}\n", &"aB3dE5fG7h".repeat(7)[..64]).repeat(80);
    format!("-----BEGIN {kind}-----\n{body}-----END {kind}-----\n")
}

fn texts(result: &Value) -> Vec<String> {
    let matches = result["output"]["matches"].as_array().unwrap();
    let texts = matches.iter().map(|one| one["text"].as_str().unwrap());
    texts.map(str::to_owned).collect()
}

#[tokio::test]
async fn a_line_is_hidden_as_it_is_in_the_whole_file() {
    for settings in [&[][..], &[OFF]] {
        let skilled = Skilled::shipped(settings).await;
        let text = format!(
            "api_key:\n    \"{}\"\nneedle\n{}needle two\n",
            named(),
            key()
        );
        skilled.write("plain.txt", &text);
        skilled.write("dos.txt", text.replace('\n', "\r\n"));
        skilled.write("marked.txt", format!("\u{feff}{text}"));
        let wide = format!("\u{feff}{text}");
        let units = wide.encode_utf16().flat_map(u16::to_le_bytes);
        skilled.write("wide.txt", units.collect::<Vec<u8>>());
        let units = wide.encode_utf16().flat_map(u16::to_be_bytes);
        skilled.write("wide-too.txt", units.collect::<Vec<u8>>());
        symlink("plain.txt", skilled.workspace.join("link")).unwrap();
        for path in [
            ".",
            "plain.txt",
            "dos.txt",
            "marked.txt",
            "wide.txt",
            "link",
        ] {
            let extra =
                json!({ "pattern": "kJ8sQ2m|^aB3dE|needle", "path": path, "max_matches": 1000 });
            let answer = skilled.call("code-search", &extra).await;
            let result = &answer.json()["tool_result"];
            assert!(
                !answer.text().contains("kJ8s") && !answer.text().contains("aB3d"),
                "{path}: {result}"
            );
            let files = if path == "." { 5 } else { 1 };
            let shown = texts(result);
            assert_eq!(shown.len(), 83 * files, "{path}");
            let seen = shown
                .iter()
                .filter(|text| text.starts_with("needle"))
                .count();
            assert_eq!(seen, 2 * files, "{path}");
            assert_eq!(
                (&result["truncated"], &result["output"]["omitted_lines"]),
                (&json!(false), &json!(0))
            );
        }
        skilled.stop().await;
    }
}

/// In a file that is too large to be read up to each match.
#[tokio::test]
async fn far_into_a_file_a_line_is_hidden_too() {
    let skilled = Skilled::shipped(&[]).await;
    let filler = format!("{}\n", "x ".repeat(500)).repeat(20_000);
    skilled.write(
        "large.log",
        format!("first needle\n{filler}{}last needle\n", key()),
    );
    let extra = json!({ "pattern": "^aB3dE|needle", "max_matches": 1000 });
    let result = skilled.result("code-search", &extra).await;
    let shown = texts(&result);
    assert_eq!(shown.len(), 82);
    assert_eq!(
        (shown[0].as_str(), shown[81].as_str()),
        ("first needle", "last needle")
    );
    assert!(
        shown[1..81]
            .iter()
            .all(|text| text == "[REDACTED:private_key]"),
        "{result}"
    );
    skilled.stop().await;
}

/// With the setting, no answer tells whether a pattern met what is hidden: not by a match, a number, an
/// exit code, a mark or a context.
#[tokio::test]
async fn a_search_is_no_oracle_where_it_must_not_be() {
    let skilled = Skilled::shipped(&[DROPS]).await;
    let token = format!("ghp_{}", "aB3dE5fG7h".repeat(4));
    let text = format!(
        "before\napi_key:\n    \"{}\"\nafter {token} needle\nbehind\n",
        named()
    );
    skilled.write("config.yaml", text);
    skilled.write("other.txt", "one needle\ntwo\n");
    let comparable = |mut answer: Value| {
        for place in [
            "/tool_result/duration_ms",
            "/meta/duration_ms",
            "/meta/request_id",
        ] {
            answer.pointer_mut(place).unwrap().take();
        }
        answer
    };
    for (context, max) in [(0, 100), (2, 100), (1, 1)] {
        let search = async |pattern: &str| {
            let extra = json!({ "pattern": pattern, "context_lines": context, "max_matches": max });
            comparable(skilled.call("code-search", &extra).await.json())
        };
        let nothing = search("no such thing anywhere").await;
        assert_eq!(nothing["tool_result"]["exit_code"], 1);
        for guess in ["kJ8s", "ghp_a", "kJ8s|ghp_a", "after.*needle", "REDACTED"] {
            assert_eq!(search(guess).await, nothing, "{guess}, {context}");
        }
        // Beside a match that may be told, too.
        let told = search("one needle").await;
        assert_eq!(texts(&told["tool_result"]), ["one needle"]);
        assert_eq!(search("one needle|ghp_a|kJ8s").await, told, "{context}");
        let near = search("before|behind").await;
        assert_eq!(search("before|behind|ghp_a|kJ8s").await, near, "{context}");
        assert!(!near.to_string().contains(&token));
    }
    skilled.stop().await;

    // Without it they are told, and hidden.
    let open = Skilled::shipped(&[]).await;
    open.write("config.yaml", format!("token {token}\n"));
    let result = open
        .result("code-search", &json!({ "pattern": "ghp_a" }))
        .await;
    assert_eq!(texts(&result), ["token [REDACTED:github_token]"]);
    open.stop().await;
}

#[tokio::test]
async fn a_line_ends_before_its_carriage_return() {
    let skilled = Skilled::shipped(&[]).await;
    skilled.write("dos.txt", "one foo\r\ntwo foo bar\r\nfoo\r\n");
    skilled.write("unix.txt", "foo\n");
    let result = skilled
        .result("code-search", &json!({ "pattern": "foo$" }))
        .await;
    let mut found = texts(&result);
    found.sort();
    assert_eq!(found, ["foo", "foo", "one foo"]);
    skilled.stop().await;
}

/// Of the files that say what is looked at, `.gitignore` alone is heard.
#[tokio::test]
async fn nothing_but_gitignore_hides_a_file() {
    for settings in [&[][..], &[OFF]] {
        let skilled = Skilled::shipped(settings).await;
        for (name, ignored) in [
            (".gitignore", "git.txt"),
            (".ignore", "dot.txt"),
            (".rgignore", "rg.txt"),
            (".git/info/exclude", "exclude.txt"),
            ("../.gitignore", "parent.txt"),
        ] {
            skilled.write(name, format!("{ignored}\n"));
            skilled.write(ignored, "needle\n");
        }
        skilled.write(".hidden.txt", "needle\n");
        skilled.write(".ripgreprc", "--invert-match\n");
        let files = async |extra: Value| {
            let mut search = extra.clone();
            search["pattern"] = json!("needle");
            let result = skilled.result("code-search", &search).await;
            let matches = result["output"]["matches"].as_array().unwrap();
            let mut found: Vec<String> = matches
                .iter()
                .map(|one| one["file"].as_str().unwrap().to_owned())
                .collect();
            found.sort();
            let list = skilled.result("list-files", &extra).await;
            let listed: Vec<String> =
                serde_json::from_value(list["output"]["files"].clone()).unwrap();
            let listed: Vec<String> = listed
                .into_iter()
                .filter(|name| name.contains(".txt"))
                .collect();
            assert_eq!(listed, found);
            found
        };
        let plain = ["dot.txt", "exclude.txt", "parent.txt", "rg.txt"];
        assert_eq!(files(json!({})).await, plain);
        let all = [
            ".hidden.txt",
            "dot.txt",
            "exclude.txt",
            "git.txt",
            "parent.txt",
            "rg.txt",
        ];
        assert_eq!(files(json!({ "hidden": true, "ignored": true })).await, all);
        skilled.stop().await;
    }
}
