//! Size caps with a visible mark. Lengths are Unicode scalar values.

use serde::Serialize;

/// How much of a text was kept, as `meta.truncated` has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Truncation {
    pub original_chars: usize,
    /// Characters of the original that are still there; the mark is not counted.
    pub kept_chars: usize,
}

/// Which end of a text matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// A message: its beginning.
    Head,
    /// A context: both ends, because the end of a trace matters.
    HeadAndTail,
}

/// Brings `text` to at most `limit` characters, mark included. `None`: it was short enough.
pub fn cap(text: &mut String, limit: usize, keep: Keep) -> Option<Truncation> {
    // Bytes are never fewer than characters: most texts need no count.
    if text.len() <= limit {
        return None;
    }
    let original_chars = text.chars().count();
    if original_chars <= limit {
        return None;
    }
    // The number in the mark decides its length, and its length decides the number. Reckoning with
    // the largest possible number keeps the result within the limit.
    let mark_chars = mark(original_chars, limit).chars().count();
    let breaks = match keep {
        Keep::Head => 1,
        Keep::HeadAndTail => 2,
    };
    let Some(kept_chars) = limit.checked_sub(mark_chars + breaks) else {
        // A limit that has no room for the mark has room for text alone.
        text.truncate(byte_offset(text, limit));
        return Some(Truncation {
            original_chars,
            kept_chars: limit,
        });
    };
    let mark = mark(original_chars - kept_chars, limit);
    let tail_chars = match keep {
        Keep::Head => 0,
        Keep::HeadAndTail => kept_chars / 2,
    };
    let head_end = byte_offset(text, kept_chars - tail_chars);
    let tail_start = byte_offset(text, original_chars - tail_chars);
    let middle = match keep {
        Keep::Head => format!("\n{mark}"),
        Keep::HeadAndTail => format!("\n{mark}\n"),
    };
    text.replace_range(head_end..tail_start, &middle);
    Some(Truncation {
        original_chars,
        kept_chars,
    })
}

fn mark(removed: usize, limit: usize) -> String {
    format!("[… {removed} characters removed: limit {limit} …]")
}

fn byte_offset(text: &str, chars: usize) -> usize {
    text.char_indices()
        .nth(chars)
        .map_or(text.len(), |(offset, _)| offset)
}

/// Caps an answer while it streams: what fits is passed on at once, only the last few characters
/// before the limit wait until it is known whether the mark needs their room.
#[derive(Debug)]
pub struct OutputCap {
    limit: usize,
    seen_chars: usize,
    passed_chars: usize,
    /// Text in the room of the mark.
    held: String,
    held_chars: usize,
    full: bool,
}

impl OutputCap {
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            seen_chars: 0,
            passed_chars: 0,
            held: String::new(),
            held_chars: 0,
            full: false,
        }
    }

    /// What of `text` may be passed on now.
    pub fn feed(&mut self, text: &str) -> String {
        let mut passed = String::new();
        self.seen_chars += text.chars().count();
        if self.full {
            return passed;
        }
        let free = self
            .limit
            .saturating_sub(output_mark(self.limit).chars().count());
        for character in text.chars() {
            if self.passed_chars < free {
                passed.push(character);
                self.passed_chars += 1;
            } else if self.passed_chars + self.held_chars < self.limit {
                self.held.push(character);
                self.held_chars += 1;
            } else {
                self.full = true;
                break;
            }
        }
        passed
    }

    /// The answer is over the limit: nothing more is passed on, and the turn may end.
    pub fn is_full(&self) -> bool {
        self.full
    }

    /// The rest at the end of the answer: what was held, or the mark in its place.
    pub fn finish(&mut self) -> String {
        let held = std::mem::take(&mut self.held);
        let mark = output_mark(self.limit);
        let marked = self.full && mark.chars().count() <= self.limit;
        if marked { mark } else { held }
    }

    /// What was cut, if anything. The original is what came before the turn was ended.
    pub fn truncation(&self) -> Option<Truncation> {
        let has_mark = output_mark(self.limit).chars().count() <= self.limit;
        let in_place_of_mark = if has_mark { 0 } else { self.held_chars };
        self.full.then_some(Truncation {
            original_chars: self.seen_chars,
            kept_chars: self.passed_chars + in_place_of_mark,
        })
    }
}

/// How much longer the answer would have been is not known: the turn is ended there.
fn output_mark(limit: usize) -> String {
    format!("\n[… answer ended here: limit {limit} characters …]")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_message_keeps_its_head() {
        let mut text = "a".repeat(200);
        let truncation = cap(&mut text, 100, Keep::Head).unwrap();
        assert_eq!(
            truncation,
            Truncation {
                original_chars: 200,
                kept_chars: 60
            }
        );
        assert_eq!(
            text,
            format!(
                "{}\n[… 140 characters removed: limit 100 …]",
                "a".repeat(60)
            )
        );
    }

    #[test]
    fn a_context_keeps_both_ends() {
        let mut text = format!("{}{}", "h".repeat(500), "t".repeat(500));
        cap(&mut text, 100, Keep::HeadAndTail).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert!(
            lines[0].starts_with("hhh") && lines[2].ends_with("ttt"),
            "{text}"
        );
        assert!(lines[1].starts_with("[… ") && lines[1].ends_with(": limit 100 …]"));
    }

    #[test]
    fn a_text_at_the_limit_is_left_alone() {
        let mut text = "ü".repeat(100);
        assert_eq!(cap(&mut text, 100, Keep::Head), None);
        assert_eq!(text, "ü".repeat(100));
    }

    proptest! {
        #[test]
        fn no_capped_text_exceeds_its_limit(
            text in any::<String>(), limit in 1_usize..120, both in any::<bool>()
        ) {
            let keep = if both { Keep::HeadAndTail } else { Keep::Head };
            let mut capped = text.clone();
            let truncation = cap(&mut capped, limit, keep);
            prop_assert!(capped.chars().count() <= limit);
            prop_assert_eq!(truncation.is_none(), capped == text);
            if let Some(truncation) = truncation {
                prop_assert_eq!(truncation.original_chars, text.chars().count());
                prop_assert!(truncation.kept_chars <= limit);
            }
        }

        #[test]
        fn an_answer_is_the_same_however_it_is_cut(
            pieces in prop::collection::vec(any::<String>(), 0..12), limit in 1_usize..200
        ) {
            let whole: String = pieces.concat();
            let run = |pieces: &[String]| {
                let mut cap = OutputCap::new(limit);
                let mut out: String = pieces.iter().map(|piece| cap.feed(piece)).collect();
                let full = cap.is_full();
                out.push_str(&cap.finish());
                (out, full)
            };
            let (streamed, full) = run(&pieces);
            prop_assert_eq!(&streamed, &run(std::slice::from_ref(&whole)).0);
            prop_assert!(streamed.chars().count() <= limit);
            prop_assert_eq!(full, whole.chars().count() > limit);
            if !full {
                prop_assert_eq!(streamed, whole);
            }
        }
    }
}
