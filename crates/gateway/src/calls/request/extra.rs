//! `extra`, whose members are taken one by one. What is not honoured is passed over unread, whatever its size.

use std::borrow::Cow;

use bounded_json::{JsonRefusal, shown_key};
use serde_json::value::RawValue;

use super::known::is_null;
use super::malformed::malformed;
use crate::error::{ErrorCode, FieldError, Problem};

/// Names in `meta.ignored_extra`.
const MAX_IGNORED_NAMES: usize = 32;

/// Looks at each member.
pub(super) fn for_each<'body>(
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

/// Notes a member that means nothing, unless it is `null`.
pub(super) fn ignore(ignored: &mut Vec<String>, name: &str, value: &RawValue) {
    if !is_null(value) {
        note(ignored, name);
    }
}

pub(super) fn note(ignored: &mut Vec<String>, name: &str) {
    if ignored.len() < MAX_IGNORED_NAMES {
        let name = shown_key(name).into_owned();
        if !ignored.contains(&name) {
            ignored.push(name);
        }
    }
}
