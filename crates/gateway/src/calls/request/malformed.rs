use bounded_json::Position;

use crate::error::{ErrorCode, Problem};

/// Where the JSON breaks and how, without a word of what it says.
pub(super) fn malformed(position: Position) -> Problem {
    let kind = if position.ends_too_early {
        "it ends too early"
    } else {
        "it is not JSON there (a lone surrogate escape is not, either)"
    };
    Problem::new(
        ErrorCode::MalformedJson,
        format!(
            "The body breaks off at line {}, column {}: {kind}.",
            position.line, position.column
        ),
    )
}
