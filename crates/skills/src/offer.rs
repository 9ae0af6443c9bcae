use serde_json::{Value, json};

use super::definition::{Example, Skill, WorkspaceMode};
use super::workspace::Workspaces;

impl Skill {
    /// What a caller may know of it: `GET /skills`.
    pub fn offer(&self, workspaces: &Workspaces) -> Value {
        let example = self.examples.first();
        json!({
            "name": self.name.as_str(),
            "description": self.description,
            "parameters": self.offered_schema(workspaces),
            "message": self.message,
            "workspace": self.workspace.as_str(),
            "deadline_sec": self.deadline.as_secs(),
            "example": example.map(|example| self.request(example)),
        })
    }

    /// The schema of `extra`: the declared parameters, and the workspace where one is to be chosen.
    pub fn offered_schema(&self, workspaces: &Workspaces) -> Value {
        let mut schema = self.parameters.schema().clone();
        if self.workspace == WorkspaceMode::None {
            return schema;
        }
        let names = workspaces.names();
        if names.is_empty() {
            // An empty choice is no schema; every call is refused with what is missing.
            return schema;
        }
        if !schema["properties"].is_object() {
            schema["properties"] = json!({});
        }
        schema["properties"]["workspace"] = json!({
            "type": "string",
            "enum": names,
            "description": "The directory to work on, by its name.",
        });
        if names.len() != 1 {
            let mut required = schema["required"].as_array().cloned().unwrap_or_default();
            required.push("workspace".into());
            schema["required"] = required.into();
        }
        schema
    }

    /// The body of `POST /chat` for an example.
    fn request(&self, example: &Example) -> Value {
        let mut request = json!({
            "mode": "tool",
            "skill": self.name.as_str(),
            "extra": example.extra,
        });
        for (key, text) in [("message", &example.message), ("context", &example.context)] {
            if let Some(text) = text {
                request[key] = text.clone().into();
            }
        }
        request
    }
}
