//! The beginning of a provider's answer: whether it is a stream of events, whatever its head says, or what
//! it says instead.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _, stream};
use http::{HeaderMap, Response, StatusCode};
use http_body::Body as _;
use hyper::body::Incoming;
use serde_json::Value;

use super::connection::{TooMuch, Traffic};
use super::event_stream::EventStream;
use super::failure::{Cause, ErrorAnswer, Media, ProviderFailure, Signs, code};

/// Of an error answer, what is read for its meaning.
const MAX_ERROR_BYTES: usize = 64 * 1024;
const ERROR_BODY_TIMEOUT: Duration = Duration::from_secs(5);

/// Blank bytes before the first event.
const MAX_BLANK_BYTES: usize = 4 * 1024;

/// Pieces of one answer, each of which wakes a task: so many whatever their size, and beyond those one for
/// so many bytes. A delta of a token is about 250 bytes.
const FREE_PIECES: usize = 50_000;
const MIN_PIECE_BYTES: usize = 64;

/// What a caller is asked to wait at most, whatever the provider asks for.
const MAX_RETRY_AFTER: Duration = Duration::from_mins(1);

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Reads as much of an answer as tells what it is. Servers label streams of events as they like, so that
/// the first byte decides, as it does for the CLI.
pub(super) async fn open(response: Response<Incoming>) -> Result<EventStream, ProviderFailure> {
    let (head, body) = response.into_parts();
    let mut pieces = Pieces::new(body, head.extensions.get().cloned());
    if !head.status.is_success() {
        return Err(refused(head.status, &head.headers, Bytes::new(), pieces).await);
    }
    let mut beginning = BytesMut::new();
    let first = loop {
        let blank = blank(&beginning);
        if let Some(first) = beginning.get(blank) {
            break *first;
        }
        match pieces.next().await {
            Some(piece) if beginning.len() <= MAX_BLANK_BYTES => beginning.extend(piece?),
            _ => return Err(no_events(head.status)),
        }
    };
    beginning.advance(blank(&beginning));
    match first {
        b'{' | b'[' | b'<' => {
            let beginning = beginning.freeze();
            Err(refused(head.status, &head.headers, beginning, pieces).await)
        }
        // Nothing was offered to the provider that would let it compress.
        0x1f => Err(ProviderFailure::own(
            Cause::BadAnswer,
            code::COMPRESSED_ANSWER,
        )),
        _ => {
            let beginning = stream::iter([Ok(beginning.freeze())]);
            Ok(Box::pin(beginning.chain(pieces)))
        }
    }
}

/// The whole of an answer that is no stream.
pub(super) async fn read_whole(
    response: Response<Incoming>,
    limit_bytes: usize,
) -> Result<Bytes, ProviderFailure> {
    let (head, body) = response.into_parts();
    let mut pieces = Pieces::new(body, head.extensions.get().cloned());
    if !head.status.is_success() {
        return Err(refused(head.status, &head.headers, Bytes::new(), pieces).await);
    }
    let mut whole = BytesMut::new();
    while let Some(piece) = pieces.next().await {
        whole.extend(piece?);
        if whole.len() > limit_bytes {
            return Err(too_large());
        }
    }
    Ok(whole.freeze())
}

/// How much of the beginning says nothing: a byte order mark, whole or not yet, and line breaks.
fn blank(bytes: &[u8]) -> usize {
    if bytes.len() < BYTE_ORDER_MARK.len() && BYTE_ORDER_MARK.starts_with(bytes) {
        return bytes.len();
    }
    let rest = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
    bytes.len() - rest.trim_ascii_start().len()
}

fn no_events(status: StatusCode) -> ProviderFailure {
    ProviderFailure::of_answer(&ErrorAnswer {
        status: status.as_u16(),
        ..ErrorAnswer::default()
    })
}

/// Reads what an error answer means, and keeps nothing else of it.
async fn refused(
    status: StatusCode,
    headers: &HeaderMap,
    beginning: Bytes,
    mut pieces: Pieces,
) -> ProviderFailure {
    let mut body = BytesMut::from(beginning);
    let read = async {
        while body.len() <= MAX_ERROR_BYTES
            && let Some(Ok(piece)) = pieces.next().await
        {
            body.extend_from_slice(&piece);
        }
    };
    // A slow or cut body still has its status.
    let _ = tokio::time::timeout(ERROR_BODY_TIMEOUT, read).await;
    let (media, signs) = read_error(status, body.get(blank(&body)..).unwrap_or_default());
    ProviderFailure::of_answer(&ErrorAnswer {
        status: status.as_u16(),
        media,
        signs,
        retry_after: matches!(status.as_u16(), 429 | 503 | 529)
            .then(|| retry_after(headers))
            .flatten(),
    })
}

/// What the body of an error answer is, and what it says.
fn read_error(status: StatusCode, body: &[u8]) -> (Media, Signs) {
    match serde_json::from_slice(body) {
        Ok(Value::String(text)) => (Media::Text, Signs::of_text(&text)),
        Ok(read) => (Media::Json, Signs::read(&read)),
        Err(_) if body.is_empty() => (Media::Unknown, Signs::default()),
        Err(_) if body.starts_with(b"<") => (Media::Page, Signs::default()),
        // Under a status of success it is no error, whatever it says.
        Err(_) if status.is_success() => (Media::Text, Signs::default()),
        Err(_) => (Media::Text, Signs::of_text(&String::from_utf8_lossy(body))),
    }
}

/// In the three forms that providers write: milliseconds (Azure, OpenAI), seconds, a date.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    let number = |text: &str| text.parse::<f64>().ok().filter(|number| *number >= 0.0);
    let milliseconds = text("retry-after-ms").and_then(number);
    let seconds = milliseconds.map(|number| number / 1_000.0).or_else(|| {
        let text = text("retry-after")?;
        number(text).or_else(|| {
            let date = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
            let wait = date.duration_since(jiff::Timestamp::now());
            Some(wait.as_secs_f64().max(0.0))
        })
    })?;
    let wait = Duration::try_from_secs_f64(seconds).unwrap_or(MAX_RETRY_AFTER);
    Some(wait.min(MAX_RETRY_AFTER))
}

/// The body of an answer. Its connection is at rest when it has been read to its end.
struct Pieces {
    body: Incoming,
    traffic: Option<Traffic>,
    count: usize,
    bytes: usize,
}

impl Pieces {
    fn new(body: Incoming, traffic: Option<Traffic>) -> Self {
        if let Some(traffic) = &traffic {
            traffic.begin_answer();
        }
        Self {
            body,
            traffic,
            count: 0,
            bytes: 0,
        }
    }
}

impl Stream for Pieces {
    type Item = Result<Bytes, ProviderFailure>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            let frame = match ready!(Pin::new(&mut this.body).poll_frame(context)) {
                Some(Ok(frame)) => frame,
                Some(Err(error)) => return Poll::Ready(Some(Err(broken(&error)))),
                None => {
                    if let Some(traffic) = this.traffic.take() {
                        traffic.rest();
                    }
                    return Poll::Ready(None);
                }
            };
            // Trailers say nothing.
            let Ok(piece) = frame.into_data() else {
                continue;
            };
            this.count += 1;
            this.bytes += piece.len();
            let is_dust = this.count > FREE_PIECES + this.bytes / MIN_PIECE_BYTES;
            return Poll::Ready(Some(if is_dust { Err(too_large()) } else { Ok(piece) }));
        }
    }
}

fn broken(error: &hyper::Error) -> ProviderFailure {
    if is_too_much(error) {
        return too_large();
    }
    ProviderFailure::network(code::CONNECTION_LOST)
}

pub(super) fn too_large() -> ProviderFailure {
    ProviderFailure::own(Cause::BadAnswer, code::ANSWER_TOO_LARGE)
}

/// An I/O error hides what it wraps from `source`.
pub(super) fn is_too_much(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let io = error.downcast_ref::<std::io::Error>();
        if io
            .and_then(std::io::Error::get_ref)
            .is_some_and(<dyn std::error::Error + Send + Sync>::is::<TooMuch>)
        {
            return true;
        }
        cause = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::{HeaderMap, HeaderName, HeaderValue};

    use super::{blank, retry_after};

    #[test]
    fn what_stands_before_the_first_event_is_blank() {
        for (bytes, expected) in [
            (b"".as_slice(), 0),
            (b"\xef", 1),
            (b"\xef\xbb", 2),
            (b"\xef\xbb\xbf", 3),
            (b"\xef\xbb\xbf\r\n\n", 6),
            (b"\xef\xbb\xbfdata:", 3),
            (b"\n\ndata:", 2),
            (b"data:", 0),
            (b"\xffdata", 0),
        ] {
            assert_eq!(blank(bytes), expected, "{bytes:?}");
        }
    }

    #[test]
    fn the_time_to_wait_is_read_in_every_form() {
        let now = jiff::Timestamp::now();
        let date = |seconds: i64| {
            let date = now
                .saturating_add(jiff::SignedDuration::from_secs(seconds))
                .unwrap();
            date.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
        };
        for (name, value, expected) in [
            ("retry-after", "7".to_owned(), Some(7_000)),
            ("retry-after", " 7 ".to_owned(), Some(7_000)),
            ("retry-after", "0".to_owned(), Some(0)),
            ("retry-after", "1.5".to_owned(), Some(1_500)),
            ("retry-after", "3600".to_owned(), Some(60_000)),
            ("retry-after", "1e300".to_owned(), Some(60_000)),
            ("retry-after", "-1".to_owned(), None),
            ("retry-after", "NaN".to_owned(), None),
            ("retry-after", "soon".to_owned(), None),
            ("retry-after", date(-100), Some(0)),
            ("retry-after", date(4_000), Some(60_000)),
            ("retry-after-ms", "250".to_owned(), Some(250)),
        ] {
            let mut headers = HeaderMap::new();
            let name = HeaderName::from_static(name);
            headers.insert(name, HeaderValue::from_str(&value).unwrap());
            let expected = expected.map(Duration::from_millis);
            assert_eq!(retry_after(&headers), expected, "{value}");
        }
        let mut headers = HeaderMap::new();
        headers.insert("retry-after", HeaderValue::from_str(&date(30)).unwrap());
        let wait = retry_after(&headers).unwrap();
        assert!((20..=30).contains(&wait.as_secs()), "{wait:?}");
    }
}
