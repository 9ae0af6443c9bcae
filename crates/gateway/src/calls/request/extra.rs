//! `extra`: what is honoured of it. The rest is passed over unread, whatever its size.

use std::borrow::Cow;

use bounded_json::{JsonBudget, JsonLimits, JsonRefusal, shown_key};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use skills::PARAMETER_LIMITS;

use super::known::{Known, is_null};
use super::malformed;
use crate::config::ChatSettings;
use crate::error::{ErrorCode, FieldError, Problem};

/// The protocol takes any word; these are the ones that models are known to take.
const REASONING_EFFORTS: &[&str] = &["none", "minimal", "low", "medium", "high", "xhigh"];

/// Skills that one turn may lend to its model.
const MAX_LENT_SKILLS: usize = 16;

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
    max_values: 1 + MAX_LENT_SKILLS,
    max_items: MAX_LENT_SKILLS,
};

/// Names in `meta.ignored_extra`.
const MAX_IGNORED_NAMES: usize = 32;

/// The honoured keys of a chat's `extra`.
#[derive(Default)]
pub(super) struct Extra {
    pub(super) model: Option<String>,
    pub(super) reasoning_effort: Option<String>,
    pub(super) output_schema: Option<Value>,
    pub(super) skills: Vec<String>,
    pub(super) workspace: Option<String>,
    pub(super) ignored: Vec<String>,
}

/// What a call of a skill takes of it, and the names of the rest.
pub(super) fn of_tool(
    body: &str,
    extra: Option<&str>,
    declared: impl Fn(&str) -> bool,
) -> Result<(Map<String, Value>, Vec<String>), Problem> {
    let mut texts: Vec<(Cow<'_, str>, &RawValue)> = Vec::new();
    let mut ignored = Vec::new();
    for_each(body, extra, |name, value| {
        if !declared(&name) {
            ignore(&mut ignored, &name, value);
        } else if let Some((_, text)) = texts.iter_mut().find(|(known, _)| *known == name) {
            *text = value;
        } else {
            texts.push((name, value));
        }
    })?;
    let budget = JsonBudget::new(PARAMETER_LIMITS);
    let mut parameters = Map::new();
    for (name, value) in texts {
        let wrong = |tokens: &[&str], detail: String| {
            let error = FieldError::new(tokens, detail);
            Problem::invalid(ErrorCode::InvalidExtra, vec![error], 1)
        };
        let tree = budget.tree(value.get()).map_err(|refusal| match refusal {
            JsonRefusal::Malformed(place) => malformed(place.within(body, value.get())),
            JsonRefusal::TooDeep => wrong(&["extra", &name], "is nested too deeply".to_owned()),
            JsonRefusal::TooManyItems => {
                let most = PARAMETER_LIMITS.max_items;
                wrong(&["extra", &name], format!("has more than {most} items"))
            }
            JsonRefusal::TooManyValues | JsonRefusal::NotAnObject => {
                let most = PARAMETER_LIMITS.max_values;
                wrong(
                    &["extra"],
                    format!("has more than {most} values altogether"),
                )
            }
        })?;
        parameters.insert(name.into_owned(), tree);
    }
    Ok((parameters, ignored))
}

impl Extra {
    pub(super) fn read(
        body: &str,
        extra: Option<&str>,
        settings: &ChatSettings,
    ) -> Result<Self, Problem> {
        let mut read = Self::default();
        let mut known = Known::new([
            "model",
            "reasoning_effort",
            "output_schema",
            "skills",
            "workspace",
        ]);
        for_each(body, extra, |name, value| {
            if !known.take(&name, value) {
                ignore(&mut read.ignored, &name, value);
            }
        })?;
        let mut judge = Judge {
            body,
            known,
            errors: Vec::new(),
        };
        let models = settings.allowed_models.iter().map(String::as_str);
        read.model = judge.value("model", NAME, |value| one_of(value, models))?;
        let efforts = REASONING_EFFORTS.iter().copied();
        read.reasoning_effort =
            judge.value("reasoning_effort", NAME, |value| one_of(value, efforts))?;
        read.output_schema = judge.value("output_schema", OUTPUT_SCHEMA, output_schema)?;
        read.skills = judge.value("skills", SKILLS, skills)?.unwrap_or_default();
        read.workspace = judge.value("workspace", NAME, workspace)?;
        // It is for the skills alone.
        if read.skills.is_empty() && read.workspace.take().is_some() {
            note(&mut read.ignored, "workspace");
        }
        if judge.errors.is_empty() {
            Ok(read)
        } else {
            let count = judge.errors.len();
            Err(Problem::invalid(
                ErrorCode::InvalidExtra,
                judge.errors,
                count,
            ))
        }
    }
}

/// Takes the known keys one by one and notes what is wrong with them.
struct Judge<'body> {
    body: &'body str,
    known: Known<'body, 5>,
    errors: Vec<FieldError>,
}

impl Judge<'_> {
    /// `judge` gets no value where it is over the limits.
    fn value<T>(
        &mut self,
        name: &str,
        limits: JsonLimits,
        judge: impl FnOnce(Option<Value>) -> Result<T, String>,
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
        let judged = judge(value).map_err(|detail| {
            let error = FieldError::new(&["extra", name], detail);
            self.errors.push(error);
        });
        Ok(judged.ok())
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
    format!("must be a list of at most {MAX_LENT_SKILLS} names of skills")
}

fn workspace(value: Option<Value>) -> Result<String, String> {
    match value {
        Some(Value::String(name)) => Ok(name),
        _ => Err("must be the name of a workspace".to_owned()),
    }
}

fn for_each<'body>(
    body: &str,
    extra: Option<&'body str>,
    take: impl FnMut(Cow<'body, str>, &'body RawValue),
) -> Result<(), Problem> {
    let Some(extra) = extra else {
        return Ok(());
    };
    bounded_json::members(extra, take).map_err(|refusal| match refusal {
        JsonRefusal::Malformed(place) => malformed(place.within(body, extra)),
        _ => Problem::invalid(
            ErrorCode::InvalidRequest,
            vec![FieldError::new(&["extra"], "must be an object")],
            1,
        ),
    })
}

fn ignore(ignored: &mut Vec<String>, name: &str, value: &RawValue) {
    if !is_null(value) {
        note(ignored, name);
    }
}

fn note(ignored: &mut Vec<String>, name: &str) {
    if ignored.len() < MAX_IGNORED_NAMES {
        let name = shown_key(name).into_owned();
        if !ignored.contains(&name) {
            ignored.push(name);
        }
    }
}
