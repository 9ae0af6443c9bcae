//! A gateway with skills and workspaces.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::caller::{Answer, Exchange};
use crate::support::provider::MockProvider;
use crate::support::test_app::TestApp;

pub(crate) const OFF: (&str, &str) = ("PORTCULLIS_SANDBOX", "off");

/// With the real CLI, whose package has ripgrep.
pub(crate) struct Skilled {
    pub(crate) app: TestApp,
    pub(crate) skills: PathBuf,
    /// The workspace `main`, if it was made for the test.
    pub(crate) workspace: PathBuf,
    _provider: MockProvider,
    _places: TempDir,
}

/// The repository.
pub(crate) fn repository() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    root.canonicalize().unwrap()
}

impl Skilled {
    /// With the shipped skills, and an empty workspace.
    pub(crate) async fn shipped(settings: &[(&str, &str)]) -> Self {
        let skills = repository().join("skills");
        Self::start(skills, tempfile::tempdir().unwrap(), settings).await
    }

    /// With one skill `probe` that runs a script of the shell, and an empty workspace. `more` is the rest
    /// of its file.
    pub(crate) async fn with_script(script: &str, more: &str, settings: &[(&str, &str)]) -> Self {
        let places = tempfile::tempdir().unwrap();
        let skills = places.path().join("skills");
        fs::create_dir(&skills).unwrap();
        fs::write(skills.join("probe.toml"), probe(script, more)).unwrap();
        Self::start(skills, places, settings).await
    }

    async fn start(skills: PathBuf, places: TempDir, settings: &[(&str, &str)]) -> Self {
        let provider = MockProvider::start().await;
        let workspace = places.path().canonicalize().unwrap().join("main");
        fs::create_dir(&workspace).unwrap();
        let workspaces = format!("main={}", workspace.display());
        let base = [
            ("PORTCULLIS_SKILLS_DIR", skills.to_str().unwrap()),
            ("PORTCULLIS_WORKSPACES", workspaces.as_str()),
        ];
        let app = TestApp::with_real_codex(&provider, &[&base, settings].concat()).await;
        Self {
            app,
            skills,
            workspace,
            _provider: provider,
            _places: places,
        }
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.workspace.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// Sends a call and does not wait for anything.
    pub(crate) async fn send(&self, skill: &str, extra: &Value) -> Exchange {
        let body = json!({ "mode": "tool", "skill": skill, "extra": extra, "stream": false });
        self.app.send(&body).await
    }

    pub(crate) async fn call(&self, skill: &str, extra: &Value) -> Answer {
        self.send(skill, extra).await.answer().await
    }

    /// The result of a call, which must have one.
    pub(crate) async fn result(&self, skill: &str, extra: &Value) -> Value {
        let answer = self.call(skill, extra).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["tool_result"].clone()
    }

    /// The output of the skill `probe`.
    pub(crate) async fn probe(&self) -> Value {
        self.result("probe", &json!({})).await
    }

    pub(crate) async fn stop(self) {
        self.app.stop().await;
    }
}

/// A skill's file that runs a script.
pub(crate) fn probe(script: &str, more: &str) -> String {
    let script = script.replace('{', "{{").replace('}', "}}");
    let workspace = if more.contains("workspace =") {
        ""
    } else {
        "workspace = \"read-only\"\n"
    };
    let result = if more.contains("result =") {
        ""
    } else {
        "result = \"text\"\n"
    };
    let (top, tables) = match more.find('[') {
        Some(at) => more.split_at(at),
        None => (more, ""),
    };
    format!(
        "name = \"probe\"\ndescription = \"Runs a script.\"\n{workspace}{result}{top}\n\
         [run]\nkind = \"command\"\nprogram = \"/bin/sh\"\nargs = [\"-c\", '''{script}''']\n{tables}"
    )
}

/// Whether everything in `expected` is in `found`: members of objects, items of lists in their order.
pub(crate) fn contains(found: &Value, expected: &Value) -> bool {
    match (found, expected) {
        (Value::Object(found), Value::Object(expected)) => {
            expected.iter().all(|(key, expected)| {
                found
                    .get(key)
                    .is_some_and(|found| contains(found, expected))
            })
        }
        (Value::Array(found), Value::Array(expected)) => {
            let mut pairs = found.iter().zip(expected);
            found.len() == expected.len()
                && pairs.all(|(found, expected)| contains(found, expected))
        }
        _ => found == expected,
    }
}
