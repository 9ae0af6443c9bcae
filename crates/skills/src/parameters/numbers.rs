//! One way of writing each whole number.
//!
//! JSON has several: `1`, `1.0` and `1e0` are the same integer to a schema, and `-0.0` is at least 0. To a
//! program they are different texts, of which one begins with a dash.

use serde_json::{Number, Value};

/// Writes every whole number of `value` as an integer, minus zero without its sign. The depth of `value`
/// is limited by the caller.
pub(super) fn normalise(value: &mut Value) {
    match value {
        Value::Number(number) => {
            if let Some(integer) = integer(number) {
                *number = integer;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(normalise),
        Value::Object(members) => members.values_mut().for_each(normalise),
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

/// A whole number that is no integer of 64 bits, such as `1e300`, has no such text.
pub(super) fn is_beyond_integers(number: &Number) -> bool {
    is_whole_float(number) && integer(number).is_none()
}

fn integer(number: &Number) -> Option<Number> {
    if !is_whole_float(number) {
        return None;
    }
    // Without digits behind the point: exact, and `-0` is 0.
    let digits = format!("{:.0}", number.as_f64()?);
    let signed = digits.parse::<i64>().ok().map(Number::from);
    signed.or_else(|| digits.parse::<u64>().ok().map(Number::from))
}

fn is_whole_float(number: &Number) -> bool {
    let float = number.as_f64().filter(|_| number.is_f64());
    float.is_some_and(|float| float.fract() == 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_number_has_one_text() {
        for (given, text) in [
            ("-0", "0"),
            ("-0.0", "0"),
            ("1.0", "1"),
            ("-2.0", "-2"),
            ("1e3", "1000"),
            ("1.8e19", "18000000000000000000"),
            ("1.5", "1.5"),
            ("-0.5", "-0.5"),
            ("18446744073709551615", "18446744073709551615"),
            (r#"[1.0,{"a":[-0.0]}]"#, r#"[1,{"a":[0]}]"#),
        ] {
            let mut value: Value = serde_json::from_str(given).unwrap();
            normalise(&mut value);
            assert_eq!(value.to_string(), text, "{given}");
        }
        for (given, is_beyond) in [
            ("1e300", true),
            ("-1e19", true),
            ("1e3", false),
            ("0.5", false),
        ] {
            let number: Number = serde_json::from_str(given).unwrap();
            assert_eq!(is_beyond_integers(&number), is_beyond, "{given}");
        }
    }
}
