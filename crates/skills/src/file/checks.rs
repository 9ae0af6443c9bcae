//! What the parts of a skill's file must agree on.

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::definition::{
    Example, Input, Invocation, Parser, ResultForm, Run, WorkspaceMode,
};
use super::super::parameters::{Parameters, Shape};
use super::super::problem::Notes;
use super::super::section::Said;

pub(super) struct Checked<'file> {
    pub(super) parameters: &'file Parameters,
    pub(super) message: Option<&'file Said<String>>,
    pub(super) run: &'file Run,
    pub(super) run_offset: usize,
    pub(super) result: Option<&'file Said<ResultForm>>,
    pub(super) parser: Option<&'file Said<Parser>>,
    pub(super) workspace: WorkspaceMode,
    pub(super) examples: &'file [Said<Example>],
}

impl Checked<'_> {
    pub(super) fn check(&self, notes: &mut Notes) {
        let mut used = BTreeSet::new();
        self.check_run(&mut used, notes);
        self.check_message(notes);
        self.check_answer(notes);
        self.check_parser(&mut used, notes);
        self.check_workspace(notes);
        for name in self.parameters.names() {
            if !used.contains(name) {
                let detail = format!("the parameter {name} is declared, and never used");
                notes.wrong(self.run_offset, detail);
            }
        }
        for example in self.examples {
            self.check_example(example, notes);
        }
    }

    fn check_run(&self, used: &mut BTreeSet<String>, notes: &mut Notes) {
        let parameters = self.parameters;
        match self.run {
            Run::Command(command) => match &command.invocation {
                Invocation::One(call) => call.args.check(parameters, used, notes),
                Invocation::ByTests(calls) => {
                    for call in calls.values() {
                        call.args.check(parameters, used, notes);
                    }
                }
            },
            Run::Codex(codex) => {
                // The context follows the prompt by itself.
                let others = ["message"];
                codex
                    .prompt
                    .check(parameters, &others, self.run_offset, used, notes);
            }
            Run::Cli(cli) => cli.args.check_positionals(parameters, used, notes),
        }
        if let Some(Input::Parameter(name)) = self.run.stdin() {
            let is_text = parameters
                .get(name)
                .is_some_and(|one| matches!(one.shape, Shape::Text { .. }));
            if !is_text {
                let detail = "run.stdin must be message, context or a declared string";
                notes.wrong(self.run_offset, detail);
            }
            used.insert(name.clone());
        }
    }

    fn check_message(&self, notes: &mut Notes) {
        let Some(message) = self.message else {
            return;
        };
        let parameter = self.parameters.get(&message.value);
        if !parameter.is_some_and(|one| matches!(one.shape, Shape::Text { .. })) {
            let detail = "message must name a declared string, which a call's message stands for";
            notes.wrong(message.offset, detail);
        }
    }

    /// Of a turn: nothing but its last text is its result.
    fn check_answer(&self, notes: &mut Notes) {
        if !matches!(self.run, Run::Codex(_)) {
            return;
        }
        if let Some(result) = self.result
            && result.value == ResultForm::Ndjson
        {
            let detail = "the answer of a turn is \"json\" or \"text\"";
            notes.wrong(result.offset, detail);
        }
        if let Some(parser) = self.parser {
            notes.wrong(parser.offset, "the answer of a turn has no parser");
        }
    }

    fn check_parser(&self, used: &mut BTreeSet<String>, notes: &mut Notes) {
        let Some(parser) = self.parser else {
            return;
        };
        let numbers = match &parser.value {
            Parser::Ripgrep { limit, context } => [
                ("match_limit", limit.as_ref()),
                ("match_context", context.as_ref()),
            ],
            Parser::Excerpt { first, last } => {
                [("excerpt_first", Some(first)), ("excerpt_last", Some(last))]
            }
            Parser::Paths | Parser::Tests => return,
        };
        for (key, name) in numbers {
            let Some(name) = name else { continue };
            let parameter = self.parameters.get(name);
            if !parameter.is_some_and(|one| matches!(one.shape, Shape::Number { .. })) {
                notes.wrong(parser.offset, format!("{key} must name a declared number"));
            }
            used.insert(name.clone());
        }
    }

    fn check_workspace(&self, notes: &mut Notes) {
        if self.workspace != WorkspaceMode::None {
            return;
        }
        let mut names = self.parameters.names();
        if names.any(|name| {
            self.parameters
                .get(name)
                .is_some_and(|one| one.path.is_some())
        }) {
            notes.wrong(
                self.run_offset,
                "x-path needs a workspace, and there is none",
            );
        }
        if self.run.uses_workspace_tests() {
            notes.wrong(
                self.run_offset,
                "run.tests needs a workspace, and there is none",
            );
        }
    }

    /// The values alone: whether a path is there, the test of the example shows.
    fn check_example(&self, example: &Said<Example>, notes: &mut Notes) {
        let mut extra = example.value.extra.clone();
        extra.remove("workspace");
        if let (Some(parameter), Some(message)) = (self.message, &example.value.message) {
            let entry = extra.entry(parameter.value.clone());
            entry.or_insert_with(|| Value::String(message.clone()));
        }
        let judged = self.parameters.judge(extra, self.run.free_parameter());
        for error in judged.errors.kept() {
            let detail = format!("the example's {}: {}", error.pointer, error.detail);
            notes.wrong(example.offset, detail);
        }
        for name in judged.ignored {
            let shown = name.escape_debug();
            notes.wrong(
                example.offset,
                format!("the example's extra.{shown} is not declared"),
            );
        }
        if !example.value.expect.is_object() {
            notes.wrong(
                example.offset,
                "expect must be a table, held against tool_result",
            );
        }
    }
}

impl Run {
    /// The parameter that goes to the standard input, if one does.
    pub(in super::super) fn free_parameter(&self) -> Option<&str> {
        match self.stdin() {
            Some(Input::Parameter(name)) => Some(name),
            _ => None,
        }
    }
}
