/// One value of a call that is not valid. Holds its place and the rule, and nothing of the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidValue {
    /// A JSON pointer into the request.
    pub pointer: String,
    /// Follows the pointer: "must be …".
    pub detail: String,
}

/// Everything that is wrong with a call: the first ones kept, the rest counted. A body of a few
/// megabytes can have a million wrong values, and none of them may cost memory.
#[derive(Debug, Default)]
pub struct InvalidValues {
    kept: Vec<InvalidValue>,
    count: usize,
}

/// Wrong values that are reported one by one.
const MAX_KEPT: usize = 64;

impl InvalidValue {
    /// `steps` are the unescaped steps of the pointer.
    pub(super) fn new(steps: &[&str], detail: impl Into<String>) -> Self {
        Self {
            pointer: bounded_json::pointer(steps.iter().copied()),
            detail: detail.into(),
        }
    }
}

impl InvalidValues {
    /// `value` is made only if it is kept.
    pub(super) fn wrong(&mut self, value: impl FnOnce() -> InvalidValue) {
        self.count += 1;
        if self.kept.len() < MAX_KEPT {
            self.kept.push(value());
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

    /// How many there are, kept or not.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The first ones.
    pub fn kept(&self) -> &[InvalidValue] {
        &self.kept
    }
}

impl From<InvalidValue> for InvalidValues {
    fn from(value: InvalidValue) -> Self {
        Self {
            kept: vec![value],
            count: 1,
        }
    }
}
