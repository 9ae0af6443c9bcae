use serde_json::{Map, Value, json};

/// Makes the smallest values that a schema allows; the definitions are what its references lead to.
pub(super) struct Examples<'schema>(pub(super) &'schema Value);

impl Examples<'_> {
    pub(super) fn of(&self, schema: &Value) -> Value {
        if let Some(reference) = schema["$ref"].as_str() {
            let name = reference.strip_prefix("#/definitions/").unwrap();
            return self.of(&self.0[name]);
        }
        if let Some(constant) = schema.get("const") {
            return constant.clone();
        }
        if let Some(values) = schema["enum"].as_array() {
            return values[0].clone();
        }
        for choice in ["oneOf", "anyOf", "allOf"] {
            if let Some(alternatives) = schema[choice].as_array() {
                return self.with_members(self.of(&alternatives[0]), schema);
            }
        }
        let kind = match &schema["type"] {
            Value::Array(kinds) => kinds[0].as_str(),
            kind => kind.as_str(),
        };
        match kind {
            Some("object") => self.with_members(json!({}), schema),
            Some("array") => {
                let least = schema["minItems"].as_u64().unwrap_or(0);
                (0..least).map(|_| self.of(&schema["items"])).collect()
            }
            Some("string") => json!("/x"),
            Some("integer" | "number") => json!(1),
            Some("boolean") => json!(false),
            Some("null") | None => Value::Null,
            Some(other) => panic!("a type {other}"),
        }
    }

    /// Adds the members that `schema` itself requires.
    fn with_members(&self, value: Value, schema: &Value) -> Value {
        let Value::Object(mut members) = value else {
            return value;
        };
        let required = schema["required"].as_array().into_iter().flatten();
        let own: Map<String, Value> = required
            .filter_map(Value::as_str)
            .map(|name| (name.to_owned(), self.of(&schema["properties"][name])))
            .collect();
        members.extend(own);
        Value::Object(members)
    }
}
