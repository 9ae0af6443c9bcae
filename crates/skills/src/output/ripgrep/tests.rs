use super::*;

fn token() -> String {
    format!("ghp_{}", "aB3dE5fG7h".repeat(4))
}

fn line(kind: &str, number: u64, text: &str) -> String {
    let submatches = if kind == "match" {
        json!([{ "match": { "text": "x" }, "start": text.find('x').unwrap_or(0), "end": 1 }])
    } else {
        json!([])
    };
    json!({ "type": kind, "data": {
        "path": { "text": "./src/a.rs" },
        "lines": { "text": format!("{text}\n") },
        "line_number": number,
        "absolute_offset": 0,
        "submatches": submatches,
    }})
    .to_string()
}

/// Of lines alone, without their file.
fn rules(limit: Option<usize>, limit_bytes: usize) -> SearchRules {
    SearchRules {
        limit,
        limit_bytes,
        context: 0,
        drops_hidden: false,
        root: None,
    }
}

fn finished(limit: usize, lines: &[String]) -> Result<Finished, BadOutput> {
    let mut matches = Matches::new(Redactor::with_default_rules(), rules(Some(limit), 1 << 20));
    for line in lines {
        if !matches.take(line.as_bytes()) {
            break;
        }
    }
    matches.finish()
}

#[test]
fn matches_have_their_place_and_their_context() {
    let lines = [
        r#"{"type":"begin","data":{"path":{"text":"./src/a.rs"}}}"#.to_owned(),
        line("context", 1, "one"),
        line("match", 2, "äö x"),
        line("context", 3, "three"),
        line("match", 4, "x"),
        line("context", 5, "five"),
        line("match", 9, "\tx"),
        r#"{"type":"end","data":{"path":{"text":"./src/a.rs"},"binary_offset":null,"stats":{}}}"#.to_owned(),
        r#"{"data":{"elapsed_total":{},"stats":{"bytes_printed":1,"bytes_searched":23,"elapsed":{},"matched_lines":3,"matches":3,"searches":7,"searches_with_match":1}},"type":"summary"}"#.to_owned(),
    ];
    let finished = finished(10, &lines).unwrap();
    insta::assert_json_snapshot!(finished.output);
    assert!(!finished.is_truncated);
}

#[test]
fn the_search_ends_at_the_first_match_that_is_too_many() {
    let lines: Vec<_> = (1..=5).map(|number| line("match", number, "x")).collect();
    for (limit, is_truncated) in [(4, true), (5, false)] {
        let finished = finished(limit, &lines).unwrap();
        let matches = finished.output["matches"].as_array().unwrap();
        assert_eq!(
            (matches.len(), finished.is_truncated),
            (limit, is_truncated)
        );
    }
}

#[test]
fn a_secret_over_several_lines_is_hidden_in_each() {
    let kind = "PRIVATE KEY";
    let lines = [
        line("context", 1, &format!("-----BEGIN {kind}-----")),
        line("match", 2, "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCxxxxxxxx"),
        line("context", 3, "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCyyyyyyyy"),
        line("match", 9, &format!("x {}", token())),
    ];
    let finished = finished(10, &lines).unwrap();
    let shown = finished.output.to_string();
    assert!(
        !shown.contains("MIIE") && !shown.contains("ghp_"),
        "{shown}"
    );
    assert_eq!(finished.redactions.total(), 2);
}

#[test]
fn what_is_no_text_is_shown_as_far_as_it_is() {
    let line = r#"{"type":"match","data":{"path":{"bytes":"//8="},"lines":{"bytes":"Yf9iIGZvbwo="},"line_number":1,"absolute_offset":0,"submatches":[{"match":{"text":"foo"},"start":4,"end":7}]}}"#;
    let finished = finished(10, &[line.to_owned()]).unwrap();
    let found = &finished.output["matches"][0];
    assert_eq!(found["file"], "\u{fffd}\u{fffd}");
    assert_eq!(found["text"], "a\u{fffd}b foo");
    assert_eq!(found["column"], 5);
}

#[test]
fn a_long_line_is_shown_around_its_match() {
    let text = format!("{}x{}", "ä".repeat(2000), "ö".repeat(2000));
    let finished = finished(10, &[line("match", 1, &text)]).unwrap();
    let found = &finished.output["matches"][0];
    assert_eq!(found["column"], 2001);
    let shown = found["text"].as_str().unwrap();
    assert_eq!(shown.chars().count(), MAX_TEXT_CHARS + 2);
    assert!(shown.starts_with("…ä") && shown.contains('x') && shown.ends_with("ö…"));
}

#[test]
fn what_is_not_ripgreps_is_told_by_its_place() {
    let lines = [line("match", 1, "x"), "{\"type\":\"match\",}".to_owned()];
    let offset_bytes = lines[0].len() + 1 + 16;
    assert_eq!(
        finished(10, &lines).unwrap_err(),
        BadOutput::NotJson { offset_bytes }
    );
    let mut matches = Matches::new(Redactor::with_default_rules(), rules(None, 1000));
    matches.take_too_long(5_000_000);
    let finished = matches.finish().unwrap();
    assert!(finished.is_truncated);
    assert_eq!(finished.output["omitted_lines"], 1);
}

#[test]
fn lines_that_follow_one_another_are_not_collected_without_end() {
    let limit_bytes = 100_000;
    for (kind, length) in [("match", 10_000), ("match", 100), ("context", 0)] {
        let redactor = Redactor::with_default_rules();
        let mut matches = Matches::new(redactor, rules(None, limit_bytes));
        let text = "x ".repeat(length / 2);
        let taken = (1..1_000_000).take_while(|number| {
            let line = line(kind, *number, &text).into_bytes();
            matches.take(&line)
        });
        let taken = taken.count();
        assert!(
            taken <= limit_bytes / (length.min(MAX_TEXT_CHARS) + "src/a.rs".len()) + 1,
            "{taken} of {length}"
        );
        let finished = matches.finish().unwrap();
        assert!(finished.is_truncated);
        assert!(finished.output.to_string().len() < limit_bytes * 2);
    }
}
