use runner::Deadline;
use serde_json::Value;

/// What one turn may do. Everything that is not in it is refused or cut from the request.
#[derive(Clone, Debug)]
pub struct Grant {
    pub turn_id: String,
    pub tenant: String,
    /// The models (for Azure: deployments) that the turn may name.
    pub models: Vec<String>,
    /// Bounds every upstream call of the turn; the credential is worth nothing after it.
    pub deadline: Deadline,
    /// Sent as `reasoning.effort`. `None` for a model that does not reason: such a model refuses the
    /// whole `reasoning` object.
    pub reasoning_effort: Option<String>,
    /// The JSON Schema that the answer is to follow.
    pub output_schema: Option<Value>,
    /// What all model calls of the turn may use together, in and out. `None` without a limit.
    pub max_tokens: Option<u64>,
    /// Stands for the end user at the provider, if it is to know one from another.
    pub safety_identifier: Option<String>,
    /// What the model may be offered to call. Nothing that the CLI itself would offer passes.
    pub tools: Vec<GrantedTool>,
}

/// A function that the model may be offered to call.
#[derive(Clone, Debug)]
pub struct GrantedTool {
    /// 1 to 64 of `a-z A-Z 0-9 _ -`, as the Responses API wants it.
    pub name: String,
    pub description: String,
    /// The JSON Schema of the arguments, an object.
    pub parameters: Value,
}
