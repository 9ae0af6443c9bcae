use serde_json::value::RawValue;

/// Members of an object that have a meaning, as the texts that they are. The last of a name counts.
pub(super) struct Known<'text, const COUNT: usize> {
    members: [(&'static str, Option<&'text RawValue>); COUNT],
}

impl<'text, const COUNT: usize> Known<'text, COUNT> {
    pub(super) fn new(names: [&'static str; COUNT]) -> Self {
        Self {
            members: names.map(|name| (name, None)),
        }
    }

    /// Whether the member is one of them.
    pub(super) fn take(&mut self, name: &str, value: &'text RawValue) -> bool {
        let member = self.members.iter_mut().find(|(known, _)| *known == name);
        let is_known = member.is_some();
        if let Some((_, place)) = member {
            *place = Some(value);
        }
        is_known
    }

    /// A member that is absent or `null` was not sent.
    pub(super) fn get(&self, name: &str) -> Option<&'text RawValue> {
        let member = self.members.iter().find(|(known, _)| *known == name);
        let (_, value) = member?;
        value.filter(|value| !is_null(value))
    }
}

pub(super) fn is_null(value: &RawValue) -> bool {
    value.get() == "null"
}
