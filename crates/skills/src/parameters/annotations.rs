//! Where in a schema our own keys stand. One that is misspelt, or where it is not read, would leave a path
//! unconfined, and nobody would see it.

use serde_json::{Map, Value};

/// Tells `wrong` of every mistake in `schema`, the whole table `[parameters]`, with the name of the
/// parameter that it is in, if it is in one.
pub(super) fn check(schema: &Value, mut wrong: impl FnMut(Option<&str>, String)) {
    let Some(schema) = schema.as_object() else {
        return;
    };
    let nothing = Map::new();
    let properties = schema.get("properties").and_then(Value::as_object);
    for (name, property) in properties.unwrap_or(&nothing) {
        below_property(property, &mut |detail| wrong(Some(name), detail));
    }
    let mut rest = schema.clone();
    rest.remove("properties");
    nowhere(&Value::Object(rest), &mut |detail| wrong(None, detail));
}

/// One parameter: it and its items may have them.
fn below_property(property: &Value, wrong: &mut dyn FnMut(String)) {
    let Some(property) = property.as_object() else {
        return;
    };
    let mut rest = property.clone();
    let path = rest.remove("x-path");
    if rest
        .remove("x-multiline")
        .is_some_and(|value| !value.is_boolean())
    {
        wrong("x-multiline must be true or false".to_owned());
    }
    if let Some(Value::Object(items)) = rest.get_mut("items")
        && items.remove("x-path").is_some()
        && path.is_some()
    {
        wrong("x-path stands twice, at the list and at its items".to_owned());
    }
    nowhere(&Value::Object(rest), wrong);
}

/// Refuses every key of ours in `schema`.
fn nowhere(schema: &Value, wrong: &mut dyn FnMut(String)) {
    match schema {
        Value::Array(schemas) => schemas.iter().for_each(|one| nowhere(one, wrong)),
        Value::Object(keys) => {
            for (key, value) in keys {
                match key.as_str() {
                    // Data, in which any key may stand.
                    "const" | "default" | "enum" | "examples" | "dependentRequired" => {}
                    // Schemas by names of the file's.
                    "$defs" | "definitions" | "dependentSchemas" | "patternProperties"
                    | "properties" => {
                        let schemas = value.as_object().into_iter().flatten();
                        schemas.for_each(|(_, one)| nowhere(one, wrong));
                    }
                    "x-path" | "x-multiline" => {
                        let place = if key == "x-path" { " or its items" } else { "" };
                        wrong(format!(
                            "{key} is not read here: it belongs to a parameter itself{place}"
                        ));
                    }
                    // No keyword of JSON Schema does.
                    _ if key.starts_with(['x', 'X']) => {
                        let shown = key.escape_debug();
                        let detail = "no keyword begins with x but x-path and x-multiline";
                        wrong(format!("unknown key {shown}: {detail}"));
                    }
                    _ => nowhere(value, wrong),
                }
            }
        }
        _ => {}
    }
}
