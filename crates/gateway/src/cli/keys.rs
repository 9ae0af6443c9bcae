//! `portcullis keys`: API keys, made and ended.

use std::fmt::Write as _;
use std::time::Duration;

use clap::{Args, Subcommand};
use jiff::{Span, SpanTotal, Timestamp, Unit, Zoned};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use store::{Key, KeyFilter, Keys, Limits, NewKey, Store};

use super::print;
use super::store::{self as opened, failed};
use crate::access::api_key::ApiKey;
use crate::access::caller::DEFAULT_TENANT;
use crate::access::scopes::Scopes;
use crate::config::{check_name, money_micros};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make a key and print it, once: only a hash of it is kept.
    Create(Box<Create>),
    /// List the keys, without their secrets.
    List {
        /// Of one tenant.
        #[arg(long)]
        tenant: Option<String>,
        /// Also those that are revoked.
        #[arg(long)]
        all: bool,
        #[arg(long)]
        json: bool,
    },
    /// End a key. Gateways refuse it within 5 seconds, nearly always at once.
    Revoke {
        /// The 12 public characters of the key, or its label.
        key: String,
    },
    /// Give a key a new secret and print it, once. The old one is taken until the overlap is over.
    Rotate {
        /// The 12 public characters of the key, or its label.
        key: String,
        /// How long both secrets are taken, such as 24h or 7d; 0s ends the old one now.
        #[arg(long, default_value = "24h")]
        overlap: String,
    },
}

#[derive(Debug, Args)]
pub(super) struct Create {
    /// What people call the key, such as the name of a service.
    #[arg(long)]
    label: String,
    /// Whose it is. Tenants share no process, no cache and no limit.
    #[arg(long, default_value = DEFAULT_TENANT)]
    tenant: String,
    /// A group within the tenant; its limits stand in [[teams]].
    #[arg(long)]
    team: Option<String>,
    /// What it may use: chat, skill:NAME, skill:*, models:NAME, models:*, jobs, conversations, images,
    /// admin. Nothing else is allowed. May be repeated, or hold several with commas.
    #[arg(long = "scope", value_delimiter = ',', required = true)]
    scopes: Vec<String>,
    /// When it ends: after a time, such as 90d, or at a date, such as 2027-01-31.
    #[arg(long)]
    expires: Option<String>,
    #[arg(long, value_name = "CALLS", value_parser = clap::value_parser!(u32).range(1..))]
    requests_per_minute: Option<u32>,
    /// Of these, calls that may come at once; all of them if left out.
    #[arg(long, value_name = "CALLS", requires = "requests_per_minute", value_parser = clap::value_parser!(u32).range(1..))]
    burst: Option<u32>,
    #[arg(long, value_name = "CALLS", value_parser = clap::value_parser!(u32).range(1..))]
    max_concurrent_turns: Option<u32>,
    #[arg(long, value_name = "TOKENS", value_parser = clap::value_parser!(u64).range(1..))]
    tokens_per_day: Option<u64>,
    #[arg(long, value_name = "TOKENS", value_parser = clap::value_parser!(u64).range(1..))]
    tokens_per_month: Option<u64>,
    /// Money in a month, such as 250 or 0.50, by the prices of [[prices]].
    #[arg(long, value_name = "AMOUNT")]
    cost_per_month: Option<String>,
    /// Only record what goes over these limits.
    #[arg(long)]
    shadow: bool,
    /// Print one JSON document instead of the key alone.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(command: Command) -> Result<(), String> {
    opened::with(async |store: Store| {
        let keys = store.keys();
        match command {
            Command::Create(arguments) => create(&keys, *arguments).await,
            Command::List { tenant, all, json } => {
                let filter = KeyFilter {
                    tenant,
                    team: None,
                    include_revoked: all,
                };
                let keys = keys.list(&filter).await.map_err(failed)?;
                print(&if json {
                    as_json(&keys)
                } else {
                    as_table(&keys)
                })
            }
            Command::Revoke { key } => {
                let revoked = keys.revoke(&key).await.map_err(failed)?;
                let revoked = revoked.ok_or_else(no_such_key)?;
                print(&format!(
                    "Revoked {} ({}).\n",
                    revoked.public_id, revoked.label
                ))
            }
            Command::Rotate { key, overlap } => rotate(&keys, &key, &overlap).await,
        }
    })
}

async fn create(keys: &Keys, arguments: Create) -> Result<(), String> {
    let now = Timestamp::now();
    Scopes::parse(arguments.scopes.iter().map(String::as_str))
        .map_err(|error| error.to_string())?;
    for (option, value) in [
        // The one name that may have blanks.
        ("--label", Some(arguments.label.replace(' ', "-"))),
        ("--tenant", Some(arguments.tenant.clone())),
        ("--team", arguments.team.clone()),
    ] {
        let checked = value.map(|name| check_name(&name)).transpose();
        checked.map_err(|detail| format!("{option} {detail}"))?;
    }
    let expires_at = arguments.expires.as_deref().map(|text| expiry(text, now));
    let cost = arguments.cost_per_month.as_deref().map(money_micros);
    let key = ApiKey::generate().map_err(no_random_numbers)?;
    let new = NewKey {
        public_id: key.public_id().to_owned(),
        secret_sha256: key.sha256(),
        label: arguments.label,
        tenant: arguments.tenant,
        team: arguments.team,
        scopes: arguments.scopes,
        limits: Limits {
            requests_per_minute: arguments.requests_per_minute,
            burst: arguments.burst,
            max_concurrent_turns: arguments.max_concurrent_turns,
            tokens_per_day: arguments.tokens_per_day,
            tokens_per_month: arguments.tokens_per_month,
            cost_micros_per_month: cost
                .transpose()
                .map_err(|detail| format!("--cost-per-month {detail}"))?,
            shadow: arguments.shadow,
        },
        expires_at: expires_at.transpose()?,
    };
    keys.create(&new).await.map_err(failed)?;
    let text = key.reveal();
    let text = text.expose_secret();
    print(&if arguments.json {
        let document = json!({
            "key": text,
            "key_id": new.public_id,
            "label": new.label,
            "tenant": new.tenant,
            "team": new.team,
            "scopes": new.scopes,
            "limits": new.limits,
            "expires_at": new.expires_at.map(|at| at.to_string()),
        });
        format!("{document:#}\n")
    } else {
        format!("{text}\n")
    })
}

async fn rotate(keys: &Keys, name: &str, overlap: &str) -> Result<(), String> {
    let overlap = duration(overlap).ok_or("--overlap must be a time such as 24h or 7d")?;
    let key = ApiKey::generate().map_err(no_random_numbers)?;
    let secret = key.sha256();
    let rotating = keys.rotate(name, &secret, overlap);
    let rotated = rotating.await.map_err(failed)?.ok_or_else(no_such_key)?;
    let key = key.named(rotated.public_id);
    print(&format!("{}\n", key.reveal().expose_secret()))
}

fn as_table(keys: &[Key]) -> String {
    let mut table = format!(
        "{:14}{:24}{:16}{:12}{:12}{:12}{}\n",
        "KEY", "LABEL", "TENANT", "TEAM", "EXPIRES", "LAST USED", "SCOPES"
    );
    for key in keys {
        let day = |at: Option<Timestamp>| at.map_or_else(|| "-".to_owned(), day);
        let end = key
            .revoked_at
            .map_or_else(|| day(key.expires_at), |_| "revoked".to_owned());
        // Writing to a String cannot fail.
        let _ = writeln!(
            table,
            "{:14}{:24}{:16}{:12}{:12}{:12}{}",
            key.public_id,
            key.label,
            key.tenant,
            key.team.as_deref().unwrap_or("-"),
            end,
            day(key.last_used_at),
            key.scopes.join(" "),
        );
    }
    table
}

fn as_json(keys: &[Key]) -> String {
    let time = |at: Option<Timestamp>| at.map(|at| at.to_string());
    let keys = keys.iter().map(|key| {
        json!({
            "key_id": key.public_id,
            "label": key.label,
            "tenant": key.tenant,
            "team": key.team,
            "scopes": key.scopes,
            "limits": key.limits,
            "secrets": key.live_secrets(Timestamp::now()).count(),
            "created_at": key.created_at.to_string(),
            "expires_at": time(key.expires_at),
            "revoked_at": time(key.revoked_at),
            "last_used_at": time(key.last_used_at),
        })
    });
    let keys: Vec<Value> = keys.collect();
    format!("{:#}\n", json!({ "keys": keys }))
}

fn day(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d").to_string()
}

/// A time from now, or the end of a day in UTC.
fn expiry(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    let wrong = || "--expires must be a time such as 90d, or a date such as 2027-01-31".to_owned();
    let at = if let Some(wait) = duration(text) {
        now.checked_add(wait).map_err(|_| wrong())?
    } else {
        let day: jiff::civil::Date = text.parse().map_err(|_| wrong())?;
        let midnight = day.tomorrow().ok().and_then(|day| utc_midnight(day).ok());
        midnight.ok_or_else(wrong)?
    };
    if at <= now {
        return Err("--expires is in the past".to_owned());
    }
    Ok(at)
}

fn utc_midnight(day: jiff::civil::Date) -> Result<Timestamp, jiff::Error> {
    day.to_zoned(jiff::tz::TimeZone::UTC)
        .map(|at: Zoned| at.timestamp())
}

/// Such as `30m`, `24h` or `90d`.
fn duration(text: &str) -> Option<Duration> {
    let span: Span = text.parse().ok()?;
    // A day has 24 hours here, whatever the clocks do.
    let seconds = span
        .total(SpanTotal::from(Unit::Second).days_are_24_hours())
        .ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

fn no_such_key() -> String {
    "there is no such key: `portcullis keys list` shows those that there are".to_owned()
}

fn no_random_numbers(error: getrandom::Error) -> String {
    format!("the system gives no random numbers: {error}")
}
