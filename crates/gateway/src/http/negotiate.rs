//! In which form a call is to be answered.

use http::HeaderMap;
use http::header::{ACCEPT, CONTENT_ENCODING, CONTENT_TYPE};

use crate::error::{ErrorCode, Problem};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AnswerForm {
    Stream,
    Json,
}

/// What the `Accept` header takes. Without one, everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Accepted {
    json: bool,
    stream: bool,
}

impl Accepted {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let ranges: Vec<Range> = headers
            .get_all(ACCEPT)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .filter(|range| !range.trim().is_empty())
            .map(Range::of)
            .collect();
        Self {
            json: takes(&ranges, "application/json"),
            stream: takes(&ranges, "text/event-stream"),
        }
    }

    /// Whether any form of a chat answer could be accepted at all.
    pub(super) fn check(self) -> Result<Self, Problem> {
        if self.json || self.stream {
            Ok(self)
        } else {
            Err(not_acceptable())
        }
    }

    /// A stream where the operator allows it and the caller did not ask for JSON: by `"stream":
    /// false`, or by an `Accept` that takes JSON and no event stream.
    pub(super) fn form(
        self,
        asked: Option<bool>,
        stream_enabled: bool,
    ) -> Result<AnswerForm, Problem> {
        if stream_enabled && self.stream && asked.unwrap_or(true) {
            Ok(AnswerForm::Stream)
        } else if self.json {
            Ok(AnswerForm::Json)
        } else {
            Err(not_acceptable())
        }
    }
}

/// One media range with whether it is wanted at all (its weight is not zero).
struct Range {
    media: String,
    wanted: bool,
}

impl Range {
    fn of(text: &str) -> Self {
        let mut parts = text.split(';').map(str::trim);
        let media = parts.next().unwrap_or_default().to_ascii_lowercase();
        let refused = parts.any(|parameter| {
            let weight = parameter
                .strip_prefix("q=")
                .or(parameter.strip_prefix("Q="));
            weight.is_some_and(|weight| weight.parse().is_ok_and(|weight: f32| weight <= 0.0))
        });
        Self {
            media,
            wanted: !refused,
        }
    }
}

/// The most specific range that covers a media type decides (RFC 9110, section 12.5.1).
fn takes(ranges: &[Range], media: &str) -> bool {
    if ranges.is_empty() {
        return true;
    }
    let family = media.split_once('/').map_or(media, |(family, _)| family);
    let family = format!("{family}/*");
    [media, family.as_str(), "*/*"]
        .iter()
        .find_map(|covering| ranges.iter().find(|range| range.media == *covering))
        .is_some_and(|range| range.wanted)
}

fn not_acceptable() -> Problem {
    Problem::new(
        ErrorCode::NotAcceptable,
        "An answer is text/event-stream or application/json; Accept and \"stream\" leave neither.",
    )
}

/// `Content-Type` must say JSON, so that no page can send it as a "simple" cross-site request. The body
/// must be neither compressed nor in another character set.
pub(super) fn check_content_type(headers: &HeaderMap) -> Result<(), Problem> {
    let codings = headers.get_all(CONTENT_ENCODING).iter();
    let mut codings = codings.filter(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"));
    if codings.next().is_some() {
        return Err(unsupported(
            "A compressed body is not taken. Send it as it is, without Content-Encoding.",
        ));
    }
    let declared = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
        .to_ascii_lowercase();
    let mut parts = declared.split(';').map(str::trim);
    if parts.next() != Some("application/json") {
        return Err(unsupported(
            "Send the body as JSON, with Content-Type: application/json.",
        ));
    }
    let charset = parts.find_map(|parameter| parameter.strip_prefix("charset="));
    let charset = charset.map(|charset| charset.trim_matches('"'));
    if charset.is_some_and(|charset| !["utf-8", "utf8", "us-ascii"].contains(&charset)) {
        return Err(unsupported(
            "Send the body in UTF-8, which JSON is always in.",
        ));
    }
    Ok(())
}

fn unsupported(detail: &str) -> Problem {
    Problem::new(ErrorCode::UnsupportedMediaType, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(accept: &[&str], asked: Option<bool>, enabled: bool) -> Option<AnswerForm> {
        let mut headers = HeaderMap::new();
        for value in accept {
            headers.append(ACCEPT, value.parse().unwrap());
        }
        let accepted = Accepted::of(&headers).check().ok()?;
        accepted.form(asked, enabled).ok()
    }

    #[test]
    fn a_stream_is_the_default_and_json_is_for_who_asks() {
        use AnswerForm::{Json, Stream};
        assert_eq!(form(&[], None, true), Some(Stream));
        assert_eq!(form(&["*/*"], None, true), Some(Stream));
        assert_eq!(form(&["application/json"], None, true), Some(Json));
        assert_eq!(
            form(&["application/json, text/event-stream"], None, true),
            Some(Stream)
        );
        assert_eq!(
            form(&["application/json", "text/event-stream;q=0"], None, true),
            Some(Json)
        );
        assert_eq!(
            form(&["text/event-stream;q=0, */*"], None, true),
            Some(Json)
        );
        assert_eq!(form(&["*/*"], Some(false), true), Some(Json));
        assert_eq!(form(&["application/json"], Some(true), true), Some(Json));
        assert_eq!(form(&["text/event-stream"], Some(true), true), Some(Stream));
    }

    #[test]
    fn what_cannot_be_satisfied_is_refused() {
        assert_eq!(form(&["text/html"], None, true), None);
        assert_eq!(form(&["text/event-stream"], Some(false), true), None);
        assert_eq!(form(&["text/event-stream"], None, false), None);
        assert_eq!(form(&["*/*"], None, false), Some(AnswerForm::Json));
        assert_eq!(form(&["*/*;q=0"], None, true), None);
    }

    #[test]
    fn only_json_is_read() {
        let declared = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, value.parse().unwrap());
            check_content_type(&headers).is_ok()
        };
        assert!(declared("application/json"));
        assert!(declared("Application/JSON; charset=utf-8"));
        assert!(!declared("text/plain"));
        assert!(!declared("application/x-www-form-urlencoded"));
        assert!(check_content_type(&HeaderMap::new()).is_err());
    }
}
