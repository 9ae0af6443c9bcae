//! Arguments made from a template: one element is one argument, and one value stands in one argument.
//! There is no shell, no splitting and no expansion anywhere.

pub(super) mod checks;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde_json::Value;
use toml::Spanned;

/// A text with places for parameters: `--glob={glob}`. `{{` and `}}` stand for braces.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct TextTemplate {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(String),
    Parameter(String),
    /// `{}`: the item of the list that is gone through.
    Item,
}

/// The arguments of a program.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct ArgumentTemplate {
    elements: Vec<Spanned<Element>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Element {
    Argument(TextTemplate),
    /// Only if the parameter is given and not `false`.
    When {
        parameter: String,
        args: Vec<TextTemplate>,
    },
    /// Once for each item of a list.
    Each {
        parameter: String,
        args: Vec<TextTemplate>,
    },
}

impl TextTemplate {
    /// The error says what is wrong with the text.
    fn parse(text: &str) -> Result<Self, &'static str> {
        if text.contains('\0') {
            return Err("holds a NUL, which no argument can");
        }
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            literal.push_str(&rest[..at]);
            let (brace, after) = rest[at..].split_at(1);
            if let Some(after) = after.strip_prefix(brace) {
                literal.push_str(brace);
                rest = after;
                continue;
            }
            let Some((name, after)) = after.split_once('}').filter(|_| brace == "{") else {
                return Err("a brace has no partner: write {{ or }} for one that is meant");
            };
            if !literal.is_empty() {
                parts.push(Part::Literal(std::mem::take(&mut literal)));
            }
            parts.push(match name {
                "" => Part::Item,
                name => Part::Parameter(name.to_owned()),
            });
            rest = after;
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            parts.push(Part::Literal(literal));
        }
        Ok(Self { parts })
    }

    /// With what `value` gives for each name; what it does not give is left out.
    pub(super) fn render(&self, value: impl Fn(&str) -> Option<String>, item: &str) -> String {
        let texts = self.parts.iter().map(|part| match part {
            Part::Literal(text) => text.clone(),
            Part::Parameter(name) => value(name).unwrap_or_default(),
            Part::Item => item.to_owned(),
        });
        texts.collect()
    }

    pub(super) fn parameters(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Parameter(name) => Some(name.as_str()),
            _ => None,
        })
    }

    /// The text before the first place, if there is a place.
    fn prefix(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [Part::Parameter(_) | Part::Item, ..] => Some(""),
            [Part::Literal(text), _, ..] => Some(text),
            _ => None,
        }
    }

    fn literal(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [] => Some(""),
            [Part::Literal(text)] => Some(text),
            _ => None,
        }
    }
}

impl ArgumentTemplate {
    /// The arguments for these values. Every place has a value: the linter saw to that.
    pub(super) fn expand(&self, values: &BTreeMap<String, Value>) -> Vec<OsString> {
        let value = |name: &str| values.get(name).map(as_text);
        let mut arguments = Vec::new();
        for element in &self.elements {
            match element.get_ref() {
                Element::Argument(text) => arguments.push(text.render(value, "").into()),
                Element::When { parameter, args } => {
                    if values.get(parameter).is_some_and(is_on) {
                        let rendered = args.iter().map(|text| text.render(value, "").into());
                        arguments.extend(rendered);
                    }
                }
                Element::Each { parameter, args } => {
                    let items = values.get(parameter).and_then(Value::as_array);
                    for item in items.into_iter().flatten() {
                        let item = as_text(item);
                        let rendered = args.iter().map(|text| text.render(value, &item).into());
                        arguments.extend(rendered);
                    }
                }
            }
        }
        arguments
    }
}

/// An element that is a table.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ConditionalArguments {
    when: Option<String>,
    each: Option<String>,
    args: Vec<TextTemplate>,
}

impl<'de> Deserialize<'de> for Element {
    /// By hand, because an untagged enum of serde would lose the places of its parts.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ElementVisitor)
    }
}

struct ElementVisitor;

impl<'de> Visitor<'de> for ElementVisitor {
    type Value = Element;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a string or a table")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Element, E> {
        let template = TextTemplate::parse(text).map_err(E::custom)?;
        Ok(Element::Argument(template))
    }

    fn visit_map<A: MapAccess<'de>>(self, table: A) -> Result<Element, A::Error> {
        let table = ConditionalArguments::deserialize(MapAccessDeserializer::new(table))?;
        let args = table.args;
        match (table.when, table.each) {
            (Some(parameter), None) => Ok(Element::When { parameter, args }),
            (None, Some(parameter)) => Ok(Element::Each { parameter, args }),
            _ => Err(A::Error::custom(
                "a table among args needs one of `when` and `each`",
            )),
        }
    }
}

impl TryFrom<String> for TextTemplate {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

/// What a value looks like in an argument.
pub(super) fn as_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn is_on(value: &Value) -> bool {
    !matches!(value, Value::Bool(false) | Value::Null)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn expand(args: &str, values: &Value) -> Vec<String> {
        let args = toml::de::ValueDeserializer::parse(args).unwrap();
        let template = ArgumentTemplate::deserialize(args).unwrap();
        let values = values.as_object().unwrap().clone().into_iter().collect();
        let arguments = template.expand(&values).into_iter();
        arguments
            .map(|argument| argument.into_string().unwrap())
            .collect()
    }

    #[test]
    fn one_value_is_one_argument_or_part_of_one() {
        let args = r#"["a b", "--x={x}", "{{{x}}}", { when = "on", args = ["--on"] },
            { when = "off", args = ["--off"] }, { when = "absent", args = ["{absent}"] },
            { each = "list", args = ["--item={}", "{x}"] }]"#;
        let values = json!({
            "x": "$(id) ; 'a' \"b\" {on}", "on": true, "off": false, "list": ["*", "-f/etc/passwd"],
        });
        assert_eq!(
            expand(args, &values),
            [
                "a b",
                "--x=$(id) ; 'a' \"b\" {on}",
                "{$(id) ; 'a' \"b\" {on}}",
                "--on",
                "--item=*",
                "$(id) ; 'a' \"b\" {on}",
                "--item=-f/etc/passwd",
                "$(id) ; 'a' \"b\" {on}",
            ]
        );
    }

    #[test]
    fn a_brace_without_a_partner_is_refused() {
        for text in ["{", "}", "{a", "a}", "{{}"] {
            assert!(TextTemplate::parse(text).is_err(), "{text}");
        }
        assert!(TextTemplate::parse("{{}}").is_ok());
    }
}
