use std::time::Instant;

use parking_lot::Mutex;

/// Lines of one kind at once, …
const BURST: f64 = 100.0;

/// … and in the long run.
const LINES_PER_SECOND: f64 = 10.0;

/// Bounds how often one kind of line is written, and counts those that are not: a token bucket.
#[derive(Debug, Default)]
pub(super) struct RateLimit {
    bucket: Mutex<Bucket>,
}

#[derive(Debug, Default)]
struct Bucket {
    /// Lines that may not be written before more time has passed.
    spent: f64,
    /// When `spent` was right.
    since: Option<Instant>,
    left_out: u64,
}

impl RateLimit {
    /// Whether a line may be written, and how many were not since the last one.
    pub(super) fn admit(&self, now: Instant) -> Option<u64> {
        let mut bucket = self.bucket.lock();
        let since = bucket.since.replace(now);
        let passed = since.map_or(0.0, |since| (now - since).as_secs_f64());
        bucket.spent = (bucket.spent - passed * LINES_PER_SECOND).max(0.0);
        if bucket.spent + 1.0 > BURST {
            bucket.left_out += 1;
            return None;
        }
        bucket.spent += 1.0;
        Some(std::mem::take(&mut bucket.left_out))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_burst_passes_and_the_next_line_says_how_many_were_left_out() {
        let limit = RateLimit::default();
        let begun = Instant::now();
        let passed = |count: u32, now| (0..count).filter_map(|_| limit.admit(now)).count();
        assert_eq!(passed(250, begun), 100);
        let later = begun + Duration::from_secs(1);
        assert_eq!(limit.admit(later), Some(150));
        assert_eq!(limit.admit(later), Some(0));
        assert_eq!(passed(100, later), 8);
        let much_later = begun + Duration::from_hours(1);
        assert_eq!(passed(250, much_later), 100);
    }
}
