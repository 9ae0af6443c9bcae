//! A call of a skill. Nothing of its values is validated here but their JSON: that is the skill's affair.

use std::borrow::Cow;

use bounded_json::{JsonBudget, JsonRefusal};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use skills::PARAMETER_LIMITS;

use super::extra::{for_each, ignore};
use super::malformed::malformed;
use crate::error::{ErrorCode, FieldError, Problem};

/// What a skill takes of `extra`, and the names of the rest. `declared` says whether it takes a name.
pub(super) fn read_extra(
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
