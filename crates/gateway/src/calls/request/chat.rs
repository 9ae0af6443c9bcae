//! A question, and what of `extra` is honoured for it.

use bounded_json::{JsonLimits, JsonRefusal};
use serde_json::Value;

use super::extra::{for_each, ignore, note};
use super::known::Known;
use super::malformed::malformed;
use crate::error::{ErrorCode, FieldError, Problem};

/// The protocol takes any word; these are the ones that models are known to take.
const REASONING_EFFORTS: &[&str] = &["none", "minimal", "low", "medium", "high", "xhigh"];

/// Skills that the model of one turn may call.
const MAX_GRANTED_SKILLS: usize = 16;

const MAX_OUTPUT_SCHEMA_BYTES: usize = 64 * 1024;

const OUTPUT_SCHEMA: JsonLimits = JsonLimits {
    max_depth: 64,
    max_values: 4096,
    max_items: 4096,
};

const NAME: JsonLimits = JsonLimits {
    max_depth: 0,
    max_values: 1,
    max_items: 0,
};

const SKILLS: JsonLimits = JsonLimits {
    max_depth: 1,
    max_values: 1 + MAX_GRANTED_SKILLS,
    max_items: MAX_GRANTED_SKILLS,
};

/// A checked request. It may still be over the caps: those cut, they do not refuse.
#[derive(Clone, Debug, PartialEq)]
pub struct ChatRequest {
    pub message: String,
    pub context: Option<String>,
    /// One of those that the caller may name.
    pub model: Option<String>,
    pub reasoning_effort: Option<String>,
    pub output_schema: Option<Value>,
    /// Names of skills that the model may call by itself, as the caller wrote them.
    pub skills: Vec<String>,
    /// The workspace that those skills work on, if the caller chose one.
    pub workspace: Option<String>,
    /// Names of keys in `extra` that mean nothing here.
    pub ignored_extra: Vec<String>,
}

impl ChatRequest {
    pub(super) fn read(
        body: &str,
        message: String,
        context: Option<String>,
        extra: Option<&str>,
        models: &[&str],
    ) -> Result<Self, Problem> {
        let mut ignored_extra = Vec::new();
        let mut known = Known::new([
            "model",
            "reasoning_effort",
            "output_schema",
            "skills",
            "workspace",
        ]);
        for_each(body, extra, |name, value| {
            if !known.take(&name, value) {
                ignore(&mut ignored_extra, &name, value);
            }
        })?;
        let mut extra = Extra {
            body,
            known,
            errors: Vec::new(),
        };
        let models = models.iter().copied();
        let efforts = REASONING_EFFORTS.iter().copied();
        let mut request = Self {
            message,
            context,
            model: extra.value("model", NAME, |value| one_of(value, models))?,
            reasoning_effort: extra
                .value("reasoning_effort", NAME, |value| one_of(value, efforts))?,
            output_schema: extra.value("output_schema", OUTPUT_SCHEMA, output_schema)?,
            skills: extra.value("skills", SKILLS, skills)?.unwrap_or_default(),
            workspace: extra.value("workspace", NAME, workspace)?,
            ignored_extra,
        };
        // It is for the skills alone.
        if request.skills.is_empty() && request.workspace.take().is_some() {
            note(&mut request.ignored_extra, "workspace");
        }
        match extra.errors.len() {
            0 => Ok(request),
            count => Err(Problem::invalid(
                ErrorCode::InvalidExtra,
                extra.errors,
                count,
            )),
        }
    }
}

/// The members of `extra` that a chat honours, and what is wrong with them.
struct Extra<'body> {
    body: &'body str,
    known: Known<'body, 5>,
    errors: Vec<FieldError>,
}

impl Extra<'_> {
    /// `validate` gets no value where it is over the limits.
    fn value<T>(
        &mut self,
        name: &str,
        limits: JsonLimits,
        validate: impl FnOnce(Option<Value>) -> Result<T, String>,
    ) -> Result<Option<T>, Problem> {
        let Some(text) = self.known.get(name) else {
            return Ok(None);
        };
        let value = match bounded_json::tree(text.get(), limits) {
            Ok(value) => Some(value),
            Err(JsonRefusal::Malformed(place)) => {
                return Err(malformed(place.within(self.body, text.get())));
            }
            Err(_) => None,
        };
        let validated = validate(value).map_err(|detail| {
            let error = FieldError::new(&["extra", name], detail);
            self.errors.push(error);
        });
        Ok(validated.ok())
    }
}

fn one_of<'word>(
    value: Option<Value>,
    words: impl Iterator<Item = &'word str> + Clone,
) -> Result<String, String> {
    match value {
        Some(Value::String(word)) if words.clone().any(|allowed| allowed == word) => Ok(word),
        _ => {
            let words: Vec<&str> = words.collect();
            Err(format!("must be one of: {}", words.join(", ")))
        }
    }
}

fn output_schema(value: Option<Value>) -> Result<Value, String> {
    let Some(schema) = value else {
        let JsonLimits {
            max_depth,
            max_values,
            ..
        } = OUTPUT_SCHEMA;
        return Err(format!(
            "must have at most {max_values} values, nested at most {max_depth} deep"
        ));
    };
    if !schema.is_object() {
        return Err("must be a JSON Schema object".to_owned());
    }
    if schema.to_string().len() > MAX_OUTPUT_SCHEMA_BYTES {
        return Err(format!(
            "must be at most {MAX_OUTPUT_SCHEMA_BYTES} bytes of JSON"
        ));
    }
    Ok(schema)
}

fn skills(value: Option<Value>) -> Result<Vec<String>, String> {
    let names = match value {
        Some(Value::Array(names)) => names.into_iter().map(|name| match name {
            Value::String(name) => Some(name),
            _ => None,
        }),
        _ => return Err(must_be_skills()),
    };
    names.collect::<Option<_>>().ok_or_else(must_be_skills)
}

fn must_be_skills() -> String {
    format!("must be a list of at most {MAX_GRANTED_SKILLS} names of skills")
}

fn workspace(value: Option<Value>) -> Result<String, String> {
    match value {
        Some(Value::String(name)) => Ok(name),
        _ => Err("must be the name of a workspace".to_owned()),
    }
}
