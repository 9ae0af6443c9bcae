//! A secret that is written otherwise than it is read is hidden at each of the doors, in the whole of it.

use serde_json::{Value, json};

use crate::support::caller::text_of;
use crate::support::provider::MockProvider;
use crate::support::skilled::Skilled;
use crate::support::test_app::TestApp;

/// How a text is written, by each of its characters.
type Spelling = fn(usize, char) -> String;

/// By name, for messages.
const SPELLINGS: [(&str, Spelling); 12] = [
    ("JSON", |index, character| match index % 3 {
        0 => format!("\\u{:04x}", u32::from(character)),
        _ => String::from(character),
    }),
    ("JSON in JSON", |index, character| match index % 4 {
        0 => format!("\\\\u{:04X}", u32::from(character)),
        _ => String::from(character),
    }),
    ("a string of code", |index, character| match index % 2 {
        0 => format!("\\x{:02x}", u32::from(character)),
        _ => String::from(character),
    }),
    ("percent", |index, character| match index % 5 {
        0 => format!("%{:02X}", u32::from(character)),
        _ => String::from(character),
    }),
    ("percent of percent", |index, character| match index % 5 {
        1 => format!("%25{:02x}", u32::from(character)),
        _ => String::from(character),
    }),
    ("HTML, decimal", |index, character| match index % 3 {
        1 => format!("&#{};", u32::from(character)),
        _ => String::from(character),
    }),
    ("HTML, hexadecimal", |index, character| match index % 4 {
        0 => format!("&#x{:x};", u32::from(character)),
        _ => String::from(character),
    }),
    ("colours", |index, character| match index % 7 {
        3 => format!("\u{1b}[1;31m{character}\u{1b}[0m"),
        _ => String::from(character),
    }),
    ("escaped colours", |index, character| match index % 7 {
        3 => format!("\\u001b[31m{character}\\u001b[0m"),
        _ => String::from(character),
    }),
    ("zero width", |index, character| match index % 3 {
        1 => format!("{character}\u{200b}"),
        _ => String::from(character),
    }),
    ("soft hyphens", |index, character| match index % 6 {
        2 => format!("{character}&shy;"),
        _ => String::from(character),
    }),
    ("full width", |index, character| match index % 4 {
        1 => char::from_u32(u32::from(character) + 0xfee0).map_or_else(String::new, String::from),
        _ => String::from(character),
    }),
];

/// What stands in front of a secret, the secret, and what stands behind it; assembled, so that no scanner takes
/// this file for a leak.
fn secrets() -> [(&'static str, String, &'static str); 3] {
    let value = "aB3dE5fG7hI9jK1lM3nO5pQ7rS9tU1vWxY0z";
    [
        ("the token ", ["gh", "p_", value].concat(), " of ours"),
        ("postgres://app:", value[..18].to_owned(), "@db.example/app"),
        ("AccountKey=", value.repeat(2), "; x"),
    ]
}

/// A text that has a secret in it, and the secret as it is written there.
struct Spelt {
    name: &'static str,
    text: String,
    secret: String,
}

fn all_spelt() -> Vec<Spelt> {
    let mut all = Vec::new();
    for (name, spelling) in SPELLINGS {
        for (before, secret, behind) in secrets() {
            let characters = secret.chars().enumerate();
            let secret: String = characters
                .map(|(index, character)| spelling(index, character))
                .collect();
            all.push(Spelt {
                name,
                text: format!("{before}{secret}{behind}"),
                secret,
            });
        }
    }
    all
}

impl Spelt {
    /// Nothing of the secret is left, and what stands beside it is.
    fn assert_hidden(&self, door: &str, text: &str) {
        const LEFT_CHARACTERS: usize = 12;
        let secret: Vec<char> = self.secret.chars().collect();
        for part in secret.windows(LEFT_CHARACTERS) {
            let part: String = part.iter().collect();
            assert!(
                !text.contains(&part),
                "{door}, {}: {part} is left in {text}",
                self.name
            );
        }
        let (before, behind) = self.text.split_once(&self.secret).unwrap();
        assert!(
            text.contains(&format!("{before}[REDACTED:")) && text.contains(behind),
            "{door}, {}: {text}",
            self.name
        );
    }
}

/// All strings of a JSON value.
fn strings(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().flat_map(strings).collect(),
        Value::Object(members) => members.values().flat_map(strings).collect(),
        _ => Vec::new(),
    }
}

#[tokio::test]
async fn a_request_and_its_answer_hide_a_secret_in_every_spelling() {
    let mut provider = MockProvider::start().await;
    let app = TestApp::with_real_codex(&provider, &[]).await;
    for (index, spelt) in all_spelt().iter().enumerate() {
        let body = json!({ "message": spelt.text, "context": spelt.text });
        let mut caller = app.send(&body).await;
        let mut call = provider.call().await;
        let texts = call.user_texts();
        spelt.assert_hidden("message", texts[0]);
        spelt.assert_hidden("context", texts[1]);
        call.begin().await;
        // Cut into pieces of one to three characters.
        let characters: Vec<char> = spelt.text.chars().collect();
        for piece in characters.chunks(1 + index % 3) {
            call.delta(&piece.iter().collect::<String>()).await;
        }
        call.finish().await;
        let frames = caller.frames().await;
        spelt.assert_hidden("answer", &text_of(&frames));
    }
    app.stop().await;
}

#[tokio::test]
async fn what_goes_to_the_model_hides_a_secret_in_every_spelling() {
    let mut provider = MockProvider::start().await;
    let app = TestApp::with_real_codex(&provider, &[]).await;
    for spelt in all_spelt() {
        let schema = json!({
            "type": "object", "additionalProperties": false, "required": ["answer"],
            "properties": { "answer": { "type": "string", "description": spelt.text } },
        });
        let body =
            json!({ "message": "Hello?", "stream": false, "extra": { "output_schema": schema } });
        let caller = app.send(&body).await;
        let call = provider.call().await;
        let sent = strings(&call.body["text"]["format"]).concat();
        spelt.assert_hidden("upstream", &sent);
        call.answer("{\"answer\":\"Hello.\"}").await;
        let answer = caller.answer().await.json();
        assert_ne!(answer["meta"]["redactions"]["upstream"], json!({}));
    }
    app.stop().await;
}

#[tokio::test]
async fn the_output_of_a_skill_hides_a_secret_in_every_spelling() {
    let skilled = Skilled::with_script("cat log.txt", "", &[]).await;
    for spelt in all_spelt() {
        skilled.write("log.txt", &spelt.text);
        let result = skilled.probe().await;
        spelt.assert_hidden("skill", result["output"].as_str().unwrap());
    }
    skilled.stop().await;
}
