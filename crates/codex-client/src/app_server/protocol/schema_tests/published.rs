use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use runner::{CommandSpec, Deadline, Limits, OutputLimit, Sandbox, Stdin};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_util::task::TaskTracker;

use super::example::Examples;

const PATIENCE: Duration = Duration::from_secs(30);

/// `codex app-server generate-json-schema --experimental`.
pub(super) struct Schemas {
    directory: TempDir,
}

impl Schemas {
    pub(super) async fn printed_by_the_cli() -> Self {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let program = crate::locate(None, &[workspace], "".as_ref())
            .expect("the pinned Codex CLI is not installed: run `make codex`");
        let directory = tempfile::tempdir().unwrap();
        let home = directory.path().join("home");
        fs::create_dir(&home).unwrap();
        let schemas = directory.path().join("schemas");
        let spec = CommandSpec {
            program,
            args: [
                "app-server",
                "generate-json-schema",
                "--experimental",
                "--out",
            ]
            .map(Into::into)
            .into_iter()
            .chain([schemas.into()])
            .collect(),
            env: BTreeMap::from([
                ("HOME".into(), home.clone().into()),
                ("CODEX_HOME".into(), home.clone().into()),
            ]),
            current_dir: home,
            stdin: Stdin::Null,
            sandbox: Sandbox::Off,
        };
        let limits = Limits {
            max_line_bytes: 1 << 16,
            kill_grace: Duration::from_secs(1),
            output: OutputLimit::default(),
        };
        let mut child = runner::spawn(
            spec,
            limits,
            Some(Deadline::after(PATIENCE)),
            &TaskTracker::new(),
        )
        .unwrap();
        while child.stdout.next().await.is_some() {}
        let exit = child.handle.exited().await;
        assert_eq!(exit.code, Some(0), "the schema was not printed");
        Self { directory }
    }

    fn path(&self, file: &str) -> PathBuf {
        self.directory.path().join("schemas").join(file)
    }

    fn read(&self, file: &str) -> Value {
        let path = self.path(file);
        let text = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        serde_json::from_slice(&text).unwrap()
    }

    pub(super) fn accepts(&self, file: &str, instance: &Value) {
        let validator = jsonschema::validator_for(&self.read(file)).unwrap();
        let errors: Vec<String> = validator
            .iter_errors(instance)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(
            errors.is_empty(),
            "{file} does not accept {instance}: {errors:?}"
        );
    }

    /// The methods of a file that holds one alternative a method.
    pub(super) fn methods(&self, file: &str) -> Vec<String> {
        let schema = self.read(file);
        let alternatives = schema["oneOf"].as_array().unwrap();
        alternatives
            .iter()
            .map(|one| method_of(one).to_owned())
            .collect()
    }

    fn alternative(&self, file: &str, method: &str) -> (Value, Value) {
        let schema = self.read(file);
        let alternatives = schema["oneOf"].as_array().unwrap();
        let found = alternatives.iter().find(|one| method_of(one) == method);
        let found = found.unwrap_or_else(|| panic!("{file} has no {method}"));
        (found.clone(), schema["definitions"].clone())
    }

    /// The names of all members of a method's parameters.
    pub(super) fn known_members(&self, file: &str, method: &str) -> Vec<String> {
        let (alternative, definitions) = self.alternative(file, method);
        let params = &definitions[params_of(&alternative)]["properties"];
        params.as_object().unwrap().keys().cloned().collect()
    }

    /// The file for the reply to a server request: `…Params` has its `…Response`.
    pub(super) fn response_schema(&self, method: &str) -> String {
        let (alternative, _) = self.alternative("ServerRequest.json", method);
        let name = params_of(&alternative)
            .strip_suffix("Params")
            .unwrap()
            .to_owned();
        format!("{name}Response.json")
    }

    /// A message of `method` with its required members only.
    pub(super) fn example(&self, file: &str, method: &str) -> Value {
        let (alternative, definitions) = self.alternative(file, method);
        Examples(&definitions).of(&alternative)
    }

    pub(super) fn example_of_file(&self, file: &str) -> Value {
        let schema = self.read(file);
        let example = Examples(&schema["definitions"]).of(&schema);
        self.accepts(file, &example);
        example
    }

    /// One example of each alternative of a definition, each value of an enumeration included.
    pub(super) fn examples_of_variants(&self, file: &str, definition: &str) -> Vec<Value> {
        let schema = self.read(file);
        let definitions = &schema["definitions"];
        let definition = &definitions[definition];
        let variants = definition["oneOf"]
            .as_array()
            .or(definition["anyOf"].as_array());
        let is_open = |variant: &&Value| variant["type"] != json!(["string", "object"]);
        let examples = variants
            .unwrap()
            .iter()
            .filter(is_open)
            .flat_map(|variant| {
                let values = variant["enum"].as_array().cloned();
                values.unwrap_or_else(|| vec![Examples(definitions).of(variant)])
            });
        examples.collect()
    }
}

fn method_of(alternative: &Value) -> &str {
    alternative["properties"]["method"]["enum"][0]
        .as_str()
        .unwrap()
}

/// The name of the definition that a message's parameters follow.
fn params_of(alternative: &Value) -> &str {
    let reference = alternative["properties"]["params"]["$ref"]
        .as_str()
        .unwrap();
    reference.strip_prefix("#/definitions/").unwrap()
}
