use crate::error::{ErrorCode, FieldError, Problem};

/// Everything that is wrong with a call: the first ones kept, the rest counted. A body of a few
/// megabytes can have a million wrong values, and none of them may cost memory.
#[derive(Debug, Default)]
pub(super) struct FieldErrors {
    kept: Vec<FieldError>,
    count: usize,
}

/// Wrong values that are told one by one.
const MAX_KEPT: usize = 64;

impl FieldErrors {
    /// `error` is made only if it is kept.
    pub(super) fn wrong(&mut self, error: impl FnOnce() -> FieldError) {
        self.count += 1;
        if self.kept.len() < MAX_KEPT {
            self.kept.push(error());
        }
    }

    pub(super) fn append(&mut self, others: Self) {
        self.count += others.count;
        let room = MAX_KEPT - self.kept.len();
        self.kept.extend(others.kept.into_iter().take(room));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(super) fn kept(&self) -> &[FieldError] {
        &self.kept
    }

    pub(super) fn into_problem(self) -> Problem {
        Problem::invalid(ErrorCode::InvalidExtra, self.kept, self.count)
    }
}
