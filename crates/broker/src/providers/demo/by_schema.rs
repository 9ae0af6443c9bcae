use serde_json::{Map, Value, json};

/// Deeper schemas are not followed: what refers to itself has no smallest instance.
const MAX_DEPTH: usize = 16;

/// The smallest value that follows a schema of the kind that models are given (objects, lists, texts,
/// numbers, choices), with `said` in its texts.
pub(super) fn instance(schema: &Value, said: &str) -> Value {
    instance_at(schema, said, MAX_DEPTH)
}

fn instance_at(schema: &Value, said: &str, depth: usize) -> Value {
    if let Some(Value::Array(choices)) = schema.get("enum") {
        return choices.first().cloned().unwrap_or_default();
    }
    if let Some(value) = schema.get("const") {
        return value.clone();
    }
    let kind = match schema.get("type") {
        Some(Value::String(kind)) => kind.as_str(),
        Some(Value::Array(kinds)) => kinds.first().and_then(Value::as_str).unwrap_or("null"),
        _ => "object",
    };
    match kind {
        "object" if depth > 0 => object(schema, said, depth - 1),
        "object" => json!({}),
        "array" => array(schema, said, depth),
        "string" => json!(said),
        "integer" | "number" => schema.get("minimum").cloned().unwrap_or(json!(0)),
        "boolean" => json!(false),
        _ => Value::Null,
    }
}

fn object(schema: &Value, said: &str, depth: usize) -> Value {
    let nothing = Map::new();
    let properties = schema.get("properties").and_then(Value::as_object);
    let properties = properties.unwrap_or(&nothing).iter();
    properties
        .map(|(name, schema)| (name.clone(), instance_at(schema, said, depth)))
        .collect()
}

fn array(schema: &Value, said: &str, depth: usize) -> Value {
    let least = schema.get("minItems").and_then(Value::as_u64);
    match (least, schema.get("items")) {
        (Some(1..), Some(items)) if depth > 0 => json!([instance_at(items, said, depth - 1)]),
        _ => json!([]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_follows_the_schema() {
        let schema = json!({
            "type": "object",
            "required": ["text", "count", "kind", "list", "first", "flag"],
            "additionalProperties": false,
            "properties": {
                "text": { "type": "string" },
                "count": { "type": "integer", "minimum": 3 },
                "kind": { "type": "string", "enum": ["a", "b"] },
                "list": { "type": "array", "items": { "type": "string" } },
                "first": { "type": "array", "minItems": 1, "items": { "type": "number" } },
                "flag": { "type": ["boolean", "null"] },
            },
        });
        let made = instance(&schema, "said");
        assert!(jsonschema::is_valid(&schema, &made), "{made}");
        assert_eq!(made["text"], "said");
    }

    #[test]
    fn a_schema_without_end_has_one() {
        let mut schema = json!({ "type": "string" });
        for _ in 0..100 {
            schema = json!({ "type": "object", "properties": { "deeper": schema } });
        }
        assert!(instance(&schema, "").is_object());
    }
}
