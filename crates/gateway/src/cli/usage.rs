//! `portcullis usage`: what was used, by whom.

use std::fmt::Write as _;

use clap::{Args, ValueEnum};
use jiff::civil::Date;
use serde_json::json;
use store::{Store, UsageFilter, UsageGroup, UsageRow};

use super::print;
use super::store::{self as opened, failed};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// A line for each of these.
    #[arg(long, value_enum, default_value = "day")]
    by: Group,
    /// The first day, in UTC, such as 2026-11-01.
    #[arg(long)]
    since: Option<Date>,
    /// The last day.
    #[arg(long)]
    until: Option<Date>,
    #[arg(long)]
    tenant: Option<String>,
    #[arg(long)]
    team: Option<String>,
    /// The 12 public characters of a key.
    #[arg(long)]
    key: Option<String>,
    #[arg(long)]
    model: Option<String>,
    /// As comma-separated values.
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Group {
    Key,
    Team,
    Tenant,
    Model,
    Day,
}

pub(super) fn run(arguments: Arguments) -> Result<(), String> {
    let group = match arguments.by {
        Group::Key => UsageGroup::Key,
        Group::Team => UsageGroup::Team,
        Group::Tenant => UsageGroup::Tenant,
        Group::Model => UsageGroup::Model,
        Group::Day => UsageGroup::Day,
    };
    let filter = UsageFilter {
        tenant: arguments.tenant,
        team: arguments.team,
        key: arguments.key,
        model: arguments.model,
        since: arguments.since,
        until: arguments.until,
    };
    opened::with(async |store: Store| {
        let rows = store.usage().report(&filter, group).await.map_err(failed)?;
        print(&if arguments.json {
            format!("{:#}\n", json!({ "usage": rows }))
        } else if arguments.csv {
            as_csv(&rows)
        } else {
            as_table(&rows)
        })
    })
}

fn as_csv(rows: &[UsageRow]) -> String {
    let mut csv =
        "tenant,name,calls,input_tokens,cached_input_tokens,output_tokens,reasoning_tokens,cost\n"
            .to_owned();
    for row in rows {
        // Writing to a String cannot fail.
        let _ = writeln!(
            csv,
            "{},{},{},{},{},{},{},{}",
            field(row.tenant.as_deref().unwrap_or_default()),
            field(&row.name),
            row.calls,
            row.input_tokens,
            row.cached_input_tokens,
            row.output_tokens,
            row.reasoning_tokens,
            money(row.cost_micros),
        );
    }
    csv
}

/// Names are quoted; one that a spreadsheet would take for a formula is not one any more.
fn field(text: &str) -> String {
    let guard = if text.starts_with(['=', '+', '-', '@']) && text.len() > 1 {
        "'"
    } else {
        ""
    };
    format!("\"{guard}{}\"", text.replace('"', "\"\""))
}

fn as_table(rows: &[UsageRow]) -> String {
    let mut table = format!(
        "{:16}{:28}{:>10}{:>16}{:>16}{:>16}\n",
        "TENANT", "NAME", "CALLS", "INPUT TOKENS", "OUTPUT TOKENS", "COST"
    );
    for row in rows {
        // Writing to a String cannot fail.
        let _ = writeln!(
            table,
            "{:16}{:28}{:>10}{:>16}{:>16}{:>16}",
            row.tenant.as_deref().unwrap_or("-"),
            row.name,
            row.calls,
            row.input_tokens,
            row.output_tokens,
            money(row.cost_micros),
        );
    }
    table
}

fn money(micros: u64) -> String {
    format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}
