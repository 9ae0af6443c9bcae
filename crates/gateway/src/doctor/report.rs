use std::fmt::{self, Write as _};

use serde::Serialize;

/// What was looked at, in order.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    checks: Vec<Check>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    pub name: &'static str,
    pub status: Status,
    /// What was found; more than one line where there is a list.
    pub detail: String,
    /// What to do about it.
    pub remedy: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Ok,
    /// It works, and could be better.
    Warning,
    Failed,
    /// It was not looked at, because something before it failed or because there is nothing to look at.
    Skipped,
}

impl Check {
    pub(super) fn ok(name: &'static str, detail: impl Into<String>) -> Self {
        Self {
            name,
            status: Status::Ok,
            detail: detail.into(),
            remedy: None,
        }
    }

    pub(super) fn skipped(name: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status: Status::Skipped,
            ..Self::ok(name, detail)
        }
    }

    pub(super) fn warning(
        name: &'static str,
        detail: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            status: Status::Warning,
            remedy: Some(remedy.into()),
            ..Self::ok(name, detail)
        }
    }

    pub(super) fn failed(
        name: &'static str,
        detail: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            status: Status::Failed,
            remedy: Some(remedy.into()),
            ..Self::ok(name, detail)
        }
    }

    /// Adds something that could be better.
    #[must_use]
    pub(super) fn but(mut self, detail: &str, remedy: &str) -> Self {
        let _ = write!(self.detail, "; {detail}");
        self.status = self.status.max(Status::Warning);
        self.remedy = Some(match self.remedy {
            Some(before) => format!("{before} {remedy}"),
            None => remedy.to_owned(),
        });
        self
    }
}

impl Status {
    fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }
}

impl Report {
    pub(super) fn add(&mut self, check: Check) {
        self.checks.push(check);
    }

    pub(super) fn skip(&mut self, names: &[&'static str], why: &str) {
        let skipped = names.iter().map(|name| Check::skipped(name, why));
        self.checks.extend(skipped);
    }

    pub fn checks(&self) -> &[Check] {
        &self.checks
    }

    /// Whether nothing failed.
    pub fn is_ok(&self) -> bool {
        self.count(Status::Failed) == 0
    }

    fn count(&self, status: Status) -> usize {
        let checks = self.checks.iter();
        checks.filter(|check| check.status == status).count()
    }

    pub fn to_json(&self) -> serde_json::Value {
        serde_json::json!({ "ok": self.is_ok(), "checks": self.checks })
    }
}

/// For people: a line a check, what to do below it, and a summary.
impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        const STATUS_WIDTH: usize = "warning".len();
        let names = self.checks.iter().map(|check| check.name.len());
        let name_width = names.max().unwrap_or_default();
        let indent = " ".repeat(STATUS_WIDTH + 2 + name_width + 2);
        for check in &self.checks {
            let status = check.status.as_str();
            let mut lines = check.detail.trim_end().lines();
            let first = lines.next().unwrap_or_default();
            let name = check.name;
            writeln!(
                formatter,
                "{status:STATUS_WIDTH$}  {name:name_width$}  {first}"
            )?;
            for line in lines {
                writeln!(formatter, "{indent}{line}")?;
            }
            for line in check.remedy.iter().flat_map(|remedy| remedy.lines()) {
                writeln!(formatter, "{indent}→ {line}")?;
            }
        }
        let [ok, warnings, failed, skipped] =
            [Status::Ok, Status::Warning, Status::Failed, Status::Skipped]
                .map(|status| self.count(status));
        writeln!(
            formatter,
            "\n{ok} ok, {warnings} with a warning, {failed} failed, {skipped} skipped."
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_get_aligned_lines_and_machines_a_document() {
        let mut report = Report::default();
        report.add(Check::ok("settings", "valid"));
        report.add(Check::ok("state_dir", "/state").but("on disk", "Name one in memory."));
        report.add(Check::failed(
            "provider",
            "two things:\n  one\n  two\n",
            "Mend both.",
        ));
        report.add(Check::skipped("sandbox", "no program"));
        assert!(!report.is_ok());
        insta::assert_snapshot!(report);
        insta::assert_json_snapshot!(report.to_json());
    }

    #[test]
    fn a_failure_stays_one_whatever_is_added() {
        let check = Check::failed("x", "a", "b").but("c", "d");
        assert_eq!(check.status, Status::Failed);
        assert_eq!(check.remedy.as_deref(), Some("b d"));
    }
}
