//! Who is charged.

/// Whose turn it is. The name of a team, and that of a key, belong to their tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    pub tenant: String,
    pub team: Option<String>,
    /// The public id of the key, or the name of a caller without one.
    pub key: String,
}
