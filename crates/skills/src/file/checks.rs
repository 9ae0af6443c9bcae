//! What the parts of a skill's file must agree on.

use std::collections::BTreeSet;

use serde_json::Value;
use toml::Spanned;

use super::super::definition::{
    Example, Input, Invocation, Parser, ResultForm, Run, WorkspaceMode,
};
use super::super::diagnostics::Diagnostics;
use super::super::parameters::{Parameters, Shape};

pub(super) struct Checked<'file> {
    pub(super) parameters: &'file Parameters,
    pub(super) message: Option<&'file Spanned<String>>,
    pub(super) run: &'file Run,
    pub(super) run_start: usize,
    pub(super) result: Option<&'file Spanned<ResultForm>>,
    pub(super) parser: Option<&'file Spanned<Parser>>,
    pub(super) workspace: WorkspaceMode,
    pub(super) examples: &'file [Spanned<Example>],
}

impl Checked<'_> {
    pub(super) fn check(&self, diagnostics: &mut Diagnostics<'_>) {
        let mut used = BTreeSet::new();
        self.check_run(&mut used, diagnostics);
        self.check_message(diagnostics);
        self.check_answer(diagnostics);
        self.check_parser(&mut used, diagnostics);
        self.check_workspace(diagnostics);
        for name in self.parameters.names() {
            if !used.contains(name) {
                let detail = format!("the parameter {name} is declared, and never used");
                diagnostics.report(self.run_start, detail);
            }
        }
        for example in self.examples {
            self.check_example(example, diagnostics);
        }
    }

    fn check_run(&self, used: &mut BTreeSet<String>, diagnostics: &mut Diagnostics<'_>) {
        let parameters = self.parameters;
        match self.run {
            Run::Command(command) => match &command.invocation {
                Invocation::One(call) => call.args.check(parameters, used, diagnostics),
                Invocation::ByTests(calls) => {
                    for call in calls.values() {
                        call.args.check(parameters, used, diagnostics);
                    }
                }
            },
            Run::Codex(codex) => {
                // The context follows the prompt by itself.
                let others = ["message"];
                codex
                    .prompt
                    .check(parameters, &others, self.run_start, used, diagnostics);
            }
            Run::Cli(cli) => cli.args.check_positionals(parameters, used, diagnostics),
        }
        if let Some(Input::Parameter(name)) = self.run.stdin() {
            let is_text = parameters
                .get(name)
                .is_some_and(|one| matches!(one.shape, Shape::Text { .. }));
            if !is_text {
                let detail = "run.stdin must be message, context or a declared string";
                diagnostics.report(self.run_start, detail);
            }
            used.insert(name.clone());
        }
    }

    fn check_message(&self, diagnostics: &mut Diagnostics<'_>) {
        let Some(message) = self.message else {
            return;
        };
        let parameter = self.parameters.get(message.get_ref());
        if !parameter.is_some_and(|one| matches!(one.shape, Shape::Text { .. })) {
            let detail = "message must name a declared string, which a call's message stands for";
            diagnostics.report(message.span().start, detail);
        }
    }

    /// Of a turn: nothing but its last text is its result.
    fn check_answer(&self, diagnostics: &mut Diagnostics<'_>) {
        if !matches!(self.run, Run::Codex(_)) {
            return;
        }
        if let Some(result) = self.result
            && *result.get_ref() == ResultForm::Ndjson
        {
            let detail = "the answer of a turn is \"json\" or \"text\"";
            diagnostics.report(result.span().start, detail);
        }
        if let Some(parser) = self.parser {
            diagnostics.report(parser.span().start, "the answer of a turn has no parser");
        }
    }

    fn check_parser(&self, used: &mut BTreeSet<String>, diagnostics: &mut Diagnostics<'_>) {
        let Some(parser) = self.parser else {
            return;
        };
        let numbers = match parser.get_ref() {
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
                diagnostics.report(
                    parser.span().start,
                    format!("{key} must name a declared number"),
                );
            }
            used.insert(name.clone());
        }
    }

    fn check_workspace(&self, diagnostics: &mut Diagnostics<'_>) {
        if self.workspace != WorkspaceMode::None {
            return;
        }
        let mut names = self.parameters.names();
        if names.any(|name| {
            self.parameters
                .get(name)
                .is_some_and(|one| one.path.is_some())
        }) {
            diagnostics.report(
                self.run_start,
                "x-path needs a workspace, and there is none",
            );
        }
        if self.run.uses_workspace_tests() {
            diagnostics.report(
                self.run_start,
                "run.tests needs a workspace, and there is none",
            );
        }
    }

    /// The values alone: whether a path is there, the test of the example shows.
    fn check_example(&self, example: &Spanned<Example>, diagnostics: &mut Diagnostics<'_>) {
        let mut extra = example.get_ref().extra.clone();
        extra.remove("workspace");
        if let (Some(parameter), Some(message)) = (self.message, &example.get_ref().message) {
            let entry = extra.entry(parameter.get_ref().clone());
            entry.or_insert_with(|| Value::String(message.clone()));
        }
        let validated = self.parameters.validate(extra, self.run.free_parameter());
        for error in validated.errors.kept() {
            let detail = format!("the example's {}: {}", error.pointer, error.detail);
            diagnostics.report(example.span().start, detail);
        }
        for name in validated.ignored {
            let shown = name.escape_debug();
            diagnostics.report(
                example.span().start,
                format!("the example's extra.{shown} is not declared"),
            );
        }
    }
}

impl Run {
    fn uses_workspace_tests(&self) -> bool {
        matches!(self, Self::Command(command) if matches!(command.invocation, Invocation::ByTests(_)))
    }

    /// The parameter that goes to the standard input, if one does.
    pub(in super::super) fn free_parameter(&self) -> Option<&str> {
        match self.stdin() {
            Some(Input::Parameter(name)) => Some(name),
            _ => None,
        }
    }
}
