use redact::{Counts, EscapeStripper, Redactor, Untrusted};
use serde_json::{Value, json};

use super::Finished;

/// The longest path that a system call takes (`PATH_MAX`): what is longer is none.
const MAX_PATH_BYTES: usize = 4096;

/// A list of paths, each ended by a NUL, which no path holds: a name may hold a line break, and need not be
/// UTF-8. One that is not is shown with `�` in the place of what cannot be.
pub(in super::super) struct Paths {
    redactor: Redactor,
    limit_bytes: usize,
    /// The beginning of a path whose end has not come.
    begun: Vec<u8>,
    files: Vec<Value>,
    shown_bytes: usize,
    is_cut: bool,
    redactions: Counts,
}

impl Paths {
    pub(super) fn new(redactor: Redactor, limit_bytes: usize) -> Self {
        Self {
            redactor,
            limit_bytes,
            begun: Vec::new(),
            files: Vec::new(),
            shown_bytes: 0,
            is_cut: false,
            redactions: Counts::default(),
        }
    }

    /// Whether more is wanted. A list can be cut between two paths.
    pub(super) fn take(&mut self, piece: &[u8]) -> bool {
        for part in piece.split_inclusive(|byte| *byte == 0) {
            let Some(end) = part.strip_suffix(b"\0") else {
                self.begun.extend_from_slice(part);
                self.is_cut |= self.begun.len() > MAX_PATH_BYTES;
                return !self.is_cut;
            };
            self.begun.extend_from_slice(end);
            let path = std::mem::take(&mut self.begun);
            if !self.show(&path) {
                return false;
            }
        }
        true
    }

    pub(super) fn finish(self) -> Finished {
        Finished {
            output: json!({ "files": self.files }),
            is_truncated: self.is_cut,
            redactions: self.redactions,
            ..Finished::default()
        }
    }

    fn show(&mut self, path: &[u8]) -> bool {
        let path = path.strip_prefix(b"./").unwrap_or(path);
        let mut raw = Untrusted::new(String::from_utf8_lossy(path).into_owned());
        EscapeStripper::default().strip(&mut raw);
        let redacted = self.redactor.redact_untrusted(&raw);
        self.shown_bytes += redacted.text.len() + 4;
        if self.shown_bytes > self.limit_bytes {
            self.is_cut = true;
            return false;
        }
        self.redactions.add(&redacted.counts());
        self.files.push(redacted.text.into());
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finished(limit_bytes: usize, pieces: &[&[u8]]) -> Finished {
        let mut paths = Paths::new(Redactor::with_default_rules(), limit_bytes);
        for piece in pieces {
            if !paths.take(piece) {
                break;
            }
        }
        paths.finish()
    }

    #[test]
    fn a_name_is_one_entry_whatever_it_holds() {
        let token = format!("ghp_{}", "aB3dE5fG7h".repeat(4));
        let text = format!("./a\nb\0caf\u{e9}\0./{token}\0 \0");
        let mut bytes = text.into_bytes();
        bytes.extend(b"not-\xff-utf8\0");
        let expected = json!({ "files": ["a\nb", "café", "[REDACTED:github_token]", " ", "not-\u{fffd}-utf8"] });
        for size in [1, 3, 1000] {
            let pieces: Vec<&[u8]> = bytes.chunks(size).collect();
            let finished = finished(1000, &pieces);
            assert_eq!(finished.output, expected);
            assert_eq!(
                (finished.redactions.total(), finished.is_truncated),
                (1, false)
            );
        }
    }

    #[test]
    fn a_list_is_cut_between_two_paths() {
        let cut = finished(20, &[b"one\0two\0three\0"]);
        assert_eq!(cut.output, json!({ "files": ["one", "two"] }));
        assert!(cut.is_truncated);
        assert!(finished(1 << 20, &[&[b'x'; 5000]]).is_truncated);
    }
}
