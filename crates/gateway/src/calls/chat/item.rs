//! How the items of a turn are named to callers. Nothing here comes from the model or the CLI.

use codex_client::{ItemKind, ItemStatus};

/// The kind of a call of a skill: Codex knows a skill as a tool.
pub(super) const SKILL_CALL: &str = "skill_call";

pub(super) fn kind(kind: ItemKind) -> &'static str {
    match kind {
        ItemKind::Reasoning => "reasoning",
        ItemKind::Command => "command",
        ItemKind::FileChange => "file_change",
        ItemKind::ToolCall => SKILL_CALL,
        ItemKind::WebSearch => "web_search",
        ItemKind::Plan => "plan",
        ItemKind::Other => "other",
    }
}

pub(super) fn title(kind: ItemKind) -> &'static str {
    match kind {
        ItemKind::Reasoning => "Reasoning",
        ItemKind::Command => "Running a command",
        ItemKind::FileChange => "Changing files",
        ItemKind::ToolCall => "Calling a skill",
        ItemKind::WebSearch => "Searching the web",
        ItemKind::Plan => "Planning",
        ItemKind::Other => "Working",
    }
}

pub(super) fn status(status: ItemStatus) -> &'static str {
    match status {
        ItemStatus::Started => "started",
        ItemStatus::Completed => "completed",
    }
}
