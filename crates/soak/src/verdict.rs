//! Compares the outcome of every turn with what its plan allows.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::answer::{self, Outcome};
use crate::caller::{Exchange, ExchangeEnd};
use crate::gateway::TURNS_PER_PROCESS;
use crate::model::ModelCall;
use crate::plan::{Fate, NONCE_PREFIX, Trouble, TurnPlan};

/// How long the provider may work on for a turn that is over.
const UPSTREAM_LIMIT: Duration = Duration::from_secs(1);

/// What the gateway logs of a process that ended before its first turn.
const NOT_STARTED: &str = "codex worker did not start";

/// Everything that was seen of a run.
pub(crate) struct Evidence {
    /// In the order of the plan.
    pub(crate) exchanges: Vec<Exchange>,
    pub(crate) calls: Vec<ModelCall>,
    /// The moments at which a process was killed.
    pub(crate) crashes: Vec<Instant>,
    pub(crate) log: Vec<String>,
    /// When the reader of the log was killed.
    pub(crate) log_ended: Option<Instant>,
}

#[derive(Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) violations: Vec<String>,
    /// How many turns of which fate ended how.
    pub(crate) outcomes: BTreeMap<(&'static str, String), usize>,
    /// From the end of an abandoned turn to the end of its call at the provider, at most.
    pub(crate) slowest_upstream_close: Duration,
}

pub(crate) fn verify(plan: &[TurnPlan], evidence: &Evidence) -> Verdict {
    let mut verdict = Verdict::default();
    let records = verdict.read_log(&evidence.log, evidence.crashes.len());
    for (turn, exchange) in plan.iter().zip(&evidence.exchanges) {
        let calls = evidence
            .calls
            .iter()
            .filter(|call| call.turn == turn.number);
        let scene = Scene {
            turn,
            exchange,
            calls: calls.collect(),
            records: records.get(&turn.request_id()).map_or(&[], Vec::as_slice),
            has_record: evidence
                .log_ended
                .is_none_or(|moment| exchange.sent < moment),
            saw_crash: evidence
                .crashes
                .iter()
                .any(|crash| (exchange.sent..=exchange.ended).contains(crash)),
        };
        if let Err(violation) = scene.verify(&mut verdict) {
            let (id, fate) = (turn.request_id(), turn.fate);
            verdict
                .violations
                .push(format!("{id} ({fate:?}): {violation}"));
        }
    }
    verdict.count_failures(evidence.crashes.len());
    let planned = plan.iter().filter(|turn| turn.crash.is_some()).count();
    if evidence.crashes.len() < planned {
        let short = format!("{} of {planned} crashes came", evidence.crashes.len());
        verdict.violations.push(short);
    }
    verdict
}

impl Verdict {
    /// The record of each call, by the request's id.
    fn read_log(&mut self, log: &[String], crashes: usize) -> BTreeMap<String, Vec<Value>> {
        let mut records: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        let mut errors = Vec::new();
        for line in log {
            if line.contains(NONCE_PREFIX) {
                self.violations
                    .push(format!("content is in the log: {line}"));
            }
            let Ok(entry) = serde_json::from_str::<Value>(line) else {
                self.violations
                    .push(format!("not a line of the log: {line}"));
                continue;
            };
            if entry["level"] == "ERROR" {
                errors.push(line);
            }
            if entry["message"] == "call ended" {
                let id = entry["request_id"].as_str().unwrap_or_default();
                records.entry(id.to_owned()).or_default().push(entry);
            }
        }
        // One for each crash that met a process before it was ready.
        let of_crashes = errors.iter().filter(|line| line.contains(NOT_STARTED));
        if of_crashes.count() <= crashes {
            errors.retain(|line| !line.contains(NOT_STARTED));
        }
        let errors = errors.iter();
        self.violations
            .extend(errors.map(|line| format!("the log has an error: {line}")));
        records
    }

    /// A crash fails the calls of one process.
    fn count_failures(&mut self, crashes: usize) {
        let outcomes = self.outcomes.iter();
        let failed = outcomes.filter(|((_, outcome), _)| outcome == "codex_failed");
        let failed: usize = failed.map(|(_, count)| count).sum();
        if failed > crashes * TURNS_PER_PROCESS {
            self.violations
                .push(format!("{failed} calls failed by {crashes} crashes"));
        }
    }
}

/// All that belongs to one turn.
struct Scene<'run> {
    turn: &'run TurnPlan,
    exchange: &'run Exchange,
    calls: Vec<&'run ModelCall>,
    records: &'run [Value],
    has_record: bool,
    saw_crash: bool,
}

impl Scene<'_> {
    fn verify(&self, verdict: &mut Verdict) -> Result<(), String> {
        let is_whole = match &self.exchange.end {
            ExchangeEnd::Closed => true,
            ExchangeEnd::Left => false,
            ExchangeEnd::Broken(problem) => return Err(problem.clone()),
        };
        let id = self.turn.request_id();
        let answer = answer::read(&self.exchange.received, is_whole, &id)?;
        let name = answer.outcome.as_ref().map_or("left", Outcome::name);
        let fate = match self.turn.fate {
            _ if self.saw_crash => "beside a crash",
            Fate::Undisturbed => "undisturbed",
            Fate::Disconnect { .. } => "to leave",
            Fate::Deadline { .. } => "to meet the deadline",
            Fate::Trouble(_) => "provider in trouble",
        };
        *verdict.outcomes.entry((fate, name.to_owned())).or_default() += 1;
        if !self.turn.text().starts_with(&answer.text) {
            return Err(format!("another text: {:?}", answer.text));
        }
        self.verify_outcome(answer.outcome.as_ref(), &answer.text)?;
        self.verify_record(answer.outcome.as_ref())?;
        self.verify_upstream(answer.outcome.as_ref(), verdict)
    }

    /// What of the answer is to come, and how it says that it ended.
    fn wanted(&self) -> (String, &'static str) {
        match self.turn.fate {
            Fate::Trouble(Trouble::Length { pieces }) => {
                (self.turn.pieces[..pieces].concat(), "length")
            }
            _ => (self.turn.text(), "stop"),
        }
    }

    fn verify_outcome(&self, outcome: Option<&Outcome>, text: &str) -> Result<(), String> {
        match (outcome, self.turn.fate) {
            (None, Fate::Disconnect { .. }) => Ok(()),
            (
                Some(Outcome::Done { meta }),
                Fate::Undisturbed
                | Fate::Disconnect { .. }
                | Fate::Trouble(Trouble::Busy | Trouble::Closing | Trouble::Length { .. }),
            ) => {
                let (wanted, finish_reason) = self.wanted();
                if text != wanted || meta["finish_reason"] != finish_reason {
                    return Err(format!("another part of the answer: {text:?}, {meta}"));
                }
                if finish_reason == "length" {
                    return Ok(());
                }
                let wanted = (self.turn.input_tokens(), self.turn.pieces.len());
                let usage = &meta["usage"];
                if usage["input_tokens"] == wanted.0 && usage["output_tokens"] == wanted.1 {
                    Ok(())
                } else {
                    Err(format!("another turn's usage: {usage}"))
                }
            }
            (Some(Outcome::Failed { problem }), _) => {
                let is_right = match (problem["code"].as_str(), &problem["status"]) {
                    (Some("deadline_exceeded"), status) => {
                        status == 504 && matches!(self.turn.fate, Fate::Deadline { .. })
                    }
                    (Some("codex_failed"), status) => status == 502 && self.saw_crash,
                    (Some("provider_failed"), status) => {
                        status == 502
                            && matches!(
                                self.turn.fate,
                                Fate::Trouble(
                                    Trouble::Refusal
                                        | Trouble::Page
                                        | Trouble::Empty
                                        | Trouble::Cut { .. }
                                )
                            )
                    }
                    _ => false,
                };
                if is_right {
                    Ok(())
                } else {
                    Err(format!("failed: {problem}"))
                }
            }
            (outcome, _) => Err(format!("ended as {outcome:?}")),
        }
    }

    /// One line for each request, which says what the caller saw.
    fn verify_record(&self, outcome: Option<&Outcome>) -> Result<(), String> {
        if !self.has_record {
            return Ok(());
        }
        let [record] = self.records else {
            return Err(format!("{} records in the log", self.records.len()));
        };
        let code = record["code"].as_str();
        let is_right = match outcome {
            Some(outcome) => code == outcome.code(),
            // It left, or would have if the turn had not ended by itself.
            None => match code {
                None | Some("client_gone") => true,
                Some(code) => code == "codex_failed" && self.saw_crash,
            },
        };
        if is_right {
            Ok(())
        } else {
            Err(format!("the record says something else: {record}"))
        }
    }

    /// The model is asked once at most, and not for longer than somebody waits.
    fn verify_upstream(
        &self,
        outcome: Option<&Outcome>,
        verdict: &mut Verdict,
    ) -> Result<(), String> {
        let is_done = matches!(outcome, Some(Outcome::Done { .. }));
        let call = match self.calls[..] {
            [] if !is_done => return Ok(()),
            [call] => call,
            // It was too busy the first time.
            [_, call] if self.turn.fate == Fate::Trouble(Trouble::Busy) => call,
            _ => return Err(format!("the model was asked {} times", self.calls.len())),
        };
        if is_done {
            return match call.end {
                Some(end) if end.is_complete => Ok(()),
                _ => Err("done before the model was".to_owned()),
            };
        }
        let Some(end) = call.end else {
            return Err("the model still answers it".to_owned());
        };
        let delay = end.at.saturating_duration_since(self.exchange.ended);
        if !end.is_complete {
            verdict.slowest_upstream_close = verdict.slowest_upstream_close.max(delay);
        }
        if call.begun > self.exchange.ended + UPSTREAM_LIMIT || delay > UPSTREAM_LIMIT {
            return Err(format!("the model worked for nobody for {delay:?}"));
        }
        Ok(())
    }
}
