//! JSON from outside, checked while it is parsed. No tree is built of what would be refused.
//!
//! A text of a few megabytes can stand for a tree a hundred times its size (`[{"":0},{"":0},…]`), so
//! nothing that a caller, a child or a provider sends becomes a [`Value`] without limits. What is only
//! passed on or passed over stays text: [`members`] gives each member of an object as it stands there.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// What a tree may cost. Its strings cost what they cost in the text, whose size is bounded already.
#[derive(Clone, Copy, Debug)]
pub struct JsonLimits {
    /// Lists and objects in one another; at most 127, where the parser's own limit is.
    pub max_depth: usize,
    /// Values altogether, lists and objects included.
    pub max_values: usize,
    /// Of one list, and members of one object.
    pub max_items: usize,
}

/// Why a text did not become what was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonRefusal {
    /// It is not JSON.
    Malformed(Position),
    TooDeep,
    TooManyValues,
    /// In one list or object.
    TooManyItems,
    /// It is JSON and no object.
    NotAnObject,
}

/// Where a text stops being JSON, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Counted from 1.
    pub line: usize,
    /// In bytes.
    pub column: usize,
    pub ends_too_early: bool,
}

/// The tree of a text, within `limits`.
pub fn tree(text: &str, limits: JsonLimits) -> Result<Value, JsonRefusal> {
    JsonBudget::new(limits).tree(text)
}

/// Limits that several trees share.
#[derive(Debug)]
pub struct JsonBudget {
    limits: JsonLimits,
    values: Cell<usize>,
    exceeded: Cell<Option<JsonRefusal>>,
}

impl JsonBudget {
    pub fn new(limits: JsonLimits) -> Self {
        Self {
            limits,
            values: Cell::new(0),
            exceeded: Cell::new(None),
        }
    }

    pub fn tree(&self, text: &str) -> Result<Value, JsonRefusal> {
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let seed = Tree {
            budget: self,
            depth: 0,
        };
        let parsed = seed
            .deserialize(&mut deserializer)
            .and_then(|value| deserializer.end().map(|()| value));
        parsed.map_err(|error| {
            let exceeded = self.exceeded.take();
            exceeded.unwrap_or_else(|| JsonRefusal::Malformed(Position::of(&error)))
        })
    }

    fn exceed<E: serde::de::Error>(&self, refusal: JsonRefusal) -> E {
        self.exceeded.set(Some(refusal));
        E::custom("over the limits")
    }
}

/// Gives each member of the object in `text` to `take`, its value as the text that it is: nothing is
/// built, however deep and long it is. A name that stands twice comes twice.
pub fn members<'text>(
    text: &'text str,
    take: impl FnMut(Cow<'text, str>, &'text RawValue),
) -> Result<(), JsonRefusal> {
    let malformed = |error| JsonRefusal::Malformed(Position::of(&error));
    let is_object = text.trim_start_matches(WHITESPACE).starts_with('{');
    if !is_object {
        let whole = serde_json::from_str::<IgnoredAny>(text);
        return Err(whole.map_or_else(malformed, |_| JsonRefusal::NotAnObject));
    }
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let read = deserializer.deserialize_map(Members(take));
    read.and_then(|()| deserializer.end()).map_err(malformed)
}

/// Between the tokens of JSON.
const WHITESPACE: [char; 4] = [' ', '\t', '\n', '\r'];

impl Position {
    pub fn of(error: &serde_json::Error) -> Self {
        Self {
            line: error.line(),
            column: error.column(),
            ends_too_early: error.is_eof(),
        }
    }

    /// The same position, seen from the beginning of a text of which `part` is a part.
    #[must_use]
    pub fn within(self, text: &str, part: &str) -> Self {
        let offset = (part.as_ptr().addr()).saturating_sub(text.as_ptr().addr());
        let before = Self::after(text.as_bytes().get(..offset).unwrap_or_default());
        Self {
            line: before.line + self.line - 1,
            column: if self.line == 1 {
                before.column + self.column
            } else {
                self.column
            },
            ..self
        }
    }

    /// Behind the last byte of `text`.
    pub fn after(text: &[u8]) -> Self {
        let mut lines = text.split(|byte| *byte == b'\n');
        let last = lines.next_back().unwrap_or_default();
        Self {
            line: lines.count() + 1,
            column: last.len(),
            ends_too_early: false,
        }
    }
}

/// Of a key that somebody outside chose; nobody needs more of one to find it.
const MAX_KEY_CHARS: usize = 64;

/// A key from outside, as it may be shown: whole, or its length. Cut in two, a secret would not be known
/// for one by the redactor, which what is shown passes later.
pub fn shown_key(key: &str) -> Cow<'_, str> {
    match key.chars().count() {
        ..=MAX_KEY_CHARS => Cow::Borrowed(key),
        count => Cow::Owned(format!("({count} characters)")),
    }
}

/// The JSON pointer (RFC 6901) of these steps, each as [`shown_key`] shows it.
pub fn pointer<'step>(steps: impl IntoIterator<Item = &'step str>) -> String {
    let mut pointer = String::new();
    for step in steps {
        pointer.push('/');
        pointer.push_str(&shown_key(step).replace('~', "~0").replace('/', "~1"));
    }
    pointer
}

/// Builds one value, and counts it first.
#[derive(Clone, Copy)]
struct Tree<'budget> {
    budget: &'budget JsonBudget,
    depth: usize,
}

impl Tree<'_> {
    fn inner<E: serde::de::Error>(self) -> Result<Self, E> {
        if self.depth >= self.budget.limits.max_depth {
            return Err(self.budget.exceed(JsonRefusal::TooDeep));
        }
        Ok(Self {
            depth: self.depth + 1,
            ..self
        })
    }

    /// Whether there is room for one beside `items`.
    fn check_items<E: serde::de::Error>(self, items: usize) -> Result<(), E> {
        if items < self.budget.limits.max_items {
            Ok(())
        } else {
            Err(self.budget.exceed(JsonRefusal::TooManyItems))
        }
    }
}

impl<'de> DeserializeSeed<'de> for Tree<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        let values = self.budget.values.get() + 1;
        self.budget.values.set(values);
        if values > self.budget.limits.max_values {
            return Err(self.budget.exceed(JsonRefusal::TooManyValues));
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Tree<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(inner)? {
            self.check_items(list.len())?;
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            self.check_items(object.len())?;
            object.insert(name, members.next_value_seed(inner)?);
        }
        Ok(Value::Object(object))
    }
}

struct Members<F>(F);

impl<'de, F: FnMut(Cow<'de, str>, &'de RawValue)> Visitor<'de> for Members<F> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut members: A) -> Result<(), A::Error> {
        while let Some(Name(name)) = members.next_key()? {
            (self.0)(name, members.next_value()?);
        }
        Ok(())
    }
}

/// Borrowed where it can be.
#[derive(Deserialize)]
struct Name<'text>(#[serde(borrow)] Cow<'text, str>);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const LIMITS: JsonLimits = JsonLimits {
        max_depth: 3,
        max_values: 8,
        max_items: 7,
    };

    #[test]
    fn a_tree_within_the_limits_is_the_parsers_own() {
        for text in [
            "null",
            " [1, -2, 3.5e3, true, \"\\u00e4\\n\"] ",
            "{\"a\":{\"b\":[]},\"a\":1}",
        ] {
            let own: Value = serde_json::from_str(text).unwrap();
            assert_eq!(tree(text, LIMITS), Ok(own));
        }
        // A name that the parser itself would take for a sign to its own types.
        let raw = "{\"$serde_json::private::RawValue\":\"1\"}";
        let kept = json!({ "$serde_json::private::RawValue": "1" });
        assert_eq!(tree(raw, LIMITS), Ok(kept));
    }

    #[test]
    fn what_is_over_a_limit_is_refused_where_it_is_met() {
        assert_eq!(tree("[[[1]]]", LIMITS), Ok(json!([[[1]]])));
        assert_eq!(tree("[[[[", LIMITS), Err(JsonRefusal::TooDeep));
        assert_eq!(
            tree("[[1,2,3],[4,5,6,", LIMITS),
            Err(JsonRefusal::TooManyValues)
        );
        let few = JsonLimits {
            max_items: 2,
            ..LIMITS
        };
        assert_eq!(tree("[1,2,3,", few), Err(JsonRefusal::TooManyItems));
        let members = r#"{"a":1,"b":2,"c":3,"#;
        assert_eq!(tree(members, few), Err(JsonRefusal::TooManyItems));
        let deep = "[".repeat(1_000_000);
        assert_eq!(tree(&deep, LIMITS), Err(JsonRefusal::TooDeep));
    }

    #[test]
    fn members_are_given_as_they_stand_there() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        let text = format!("{{\"a\": {deep}, \"b\\n\": \"x\", \"a\": null}}");
        let mut seen = Vec::new();
        members(&text, |name, value| seen.push((name, value.get()))).unwrap();
        let names: Vec<&str> = seen.iter().map(|(name, _)| name.as_ref()).collect();
        assert_eq!(names, ["a", "b\n", "a"]);
        assert_eq!(seen[0].1, deep);
        assert_eq!(members("[]", |_, _| ()), Err(JsonRefusal::NotAnObject));
        assert!(matches!(
            members("{\"a\":1", |_, _| ()),
            Err(JsonRefusal::Malformed(Position {
                ends_too_early: true,
                ..
            }))
        ));
    }

    #[test]
    fn a_pointer_is_escaped_and_bounded() {
        assert_eq!(pointer(["extra", "a/b~c"]), "/extra/a~1b~0c");
        assert_eq!(pointer([&*"x".repeat(1000)]), "/(1000 characters)");
    }

    proptest! {
        #[test]
        fn a_place_in_a_part_is_the_place_in_the_whole(
            before in "[ \n]{0,12}", inside in "[ \n]{0,6}"
        ) {
            let text = format!("{before}[{inside}x]");
            let part = &text[before.len()..];
            let whole = serde_json::from_str::<Value>(&text).unwrap_err();
            let Err(JsonRefusal::Malformed(position)) = tree(part, LIMITS) else {
                panic!("not refused");
            };
            prop_assert_eq!(position.within(&text, part), Position::of(&whole));
        }
    }
}
