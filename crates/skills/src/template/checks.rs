//! What a template must not do: name what is not declared, or let a value become an option.

use std::collections::BTreeSet;

use toml::Spanned;

use super::super::diagnostics::Diagnostics;
use super::super::parameters::{Parameter, Parameters, Shape};
use super::{ArgumentTemplate, Element, TextTemplate};

impl ArgumentTemplate {
    /// Reports every mistake, and adds the parameters that are used to `used`.
    pub(in super::super) fn check(
        &self,
        parameters: &Parameters,
        used: &mut BTreeSet<String>,
        diagnostics: &mut Diagnostics,
    ) {
        self.check_from(self.positionals_from(), parameters, used, diagnostics);
    }

    /// The same for arguments that stand behind a `--` of ours.
    pub(in super::super) fn check_positionals(
        &self,
        parameters: &Parameters,
        used: &mut BTreeSet<String>,
        diagnostics: &mut Diagnostics,
    ) {
        self.check_from(0, parameters, used, diagnostics);
    }

    fn check_from(
        &self,
        positionals_from: usize,
        parameters: &Parameters,
        used: &mut BTreeSet<String>,
        diagnostics: &mut Diagnostics,
    ) {
        for (index, element) in self.elements.iter().enumerate() {
            let mut check = ElementLint {
                parameters,
                used: &mut *used,
                diagnostics: &mut *diagnostics,
                offset: element.span().start,
                is_positional: index >= positionals_from,
                item: None,
                given: None,
            };
            match element.get_ref() {
                Element::Argument(text) => check.text(text),
                Element::When { parameter, args } => {
                    if check.declared(parameter).is_some() {
                        check.given = Some(parameter);
                    }
                    check.conditional(args);
                }
                Element::Each { parameter, args } => {
                    check.item = check.list(parameter);
                    if !args.iter().any(TextTemplate::has_item) {
                        let detail = "args of `each` must hold {}, which is the item";
                        check.diagnostics.report(element.span().start, detail);
                    }
                    check.conditional(args);
                }
            }
        }
    }

    /// Behind the `--` that ends the options: the first one that no option follows. After `npm test --`
    /// options of another program follow, so that one ends nothing.
    fn positionals_from(&self) -> usize {
        let literal = |element: &Spanned<Element>| match element.get_ref() {
            Element::Argument(text) => text.literal().map(str::to_owned),
            _ => None,
        };
        let starts_like_option = |element: &Spanned<Element>| {
            let texts = match element.get_ref() {
                Element::Argument(text) => std::slice::from_ref(text),
                Element::When { args, .. } | Element::Each { args, .. } => args,
            };
            let mut starts = texts.iter().map(|text| {
                text.literal()
                    .or(text.prefix())
                    .is_some_and(|start| start.starts_with('-'))
            });
            starts.any(|starts| starts)
        };
        let last_option = self.elements.iter().rposition(starts_like_option);
        match last_option {
            Some(last) if literal(&self.elements[last]).as_deref() == Some("--") => last + 1,
            _ => self.elements.len(),
        }
    }
}

impl TextTemplate {
    fn has_item(&self) -> bool {
        self.parts.contains(&super::Part::Item)
    }

    /// Reports places that name nothing.
    pub(in super::super) fn check(
        &self,
        parameters: &Parameters,
        others: &[&str],
        offset: usize,
        used: &mut BTreeSet<String>,
        diagnostics: &mut Diagnostics,
    ) {
        for name in self.parameters() {
            if parameters.get(name).is_some() {
                used.insert(name.to_owned());
            } else if !others.contains(&name) {
                diagnostics.report(offset, undeclared(name));
            }
        }
        if self.has_item() {
            diagnostics.report(offset, "{} has a meaning only in `each`");
        }
    }
}

/// The check of one element.
struct ElementLint<'check, 'text> {
    parameters: &'check Parameters,
    used: &'check mut BTreeSet<String>,
    diagnostics: &'check mut Diagnostics<'text>,
    offset: usize,
    is_positional: bool,
    /// The shape of `{}`.
    item: Option<&'check Shape>,
    /// The parameter that is certainly given here.
    given: Option<&'check str>,
}

impl<'check> ElementLint<'check, '_> {
    fn report(&mut self, detail: impl Into<String>) {
        self.diagnostics.report(self.offset, detail);
    }

    fn declared(&mut self, name: &str) -> Option<&'check Parameter> {
        let parameter = self.parameters.get(name);
        if parameter.is_none() {
            self.report(undeclared(name));
        }
        self.used.insert(name.to_owned());
        parameter
    }

    fn list(&mut self, name: &str) -> Option<&'check Shape> {
        if let Shape::List(item) = &self.declared(name)?.shape {
            return Some(item);
        }
        self.report(format!(
            "`each` needs a list, and the parameter {name} is none"
        ));
        None
    }

    fn conditional(&mut self, args: &[TextTemplate]) {
        if args.iter().any(|text| text.literal() == Some("--")) {
            self.report("\"--\" cannot be conditional: what follows it would change its meaning");
        }
        for text in args {
            self.text(text);
        }
    }

    fn text(&mut self, text: &TextTemplate) {
        let mut is_first = true;
        for part in &text.parts {
            let shape = match part {
                super::Part::Literal(_) => {
                    is_first = false;
                    continue;
                }
                super::Part::Parameter(name) => self.scalar(name),
                super::Part::Item => {
                    if self.item.is_none() {
                        self.report("{} has a meaning only in `each`, on a list that is declared");
                    }
                    self.item
                }
            };
            if is_first && shape.is_some_and(Shape::may_begin_with_dash) && !self.is_positional {
                self.report(
                    "a value alone in an argument may be taken for an option: write --name={…}, or put it behind \"--\"",
                );
            }
            is_first = false;
        }
        let prefix = text.prefix().unwrap_or_default();
        if prefix.starts_with('-') && !self.is_positional && !takes_value(prefix) {
            self.report("an option takes a value as --name={…} in one argument");
        }
    }

    fn scalar(&mut self, name: &str) -> Option<&'check Shape> {
        let parameter = self.declared(name)?;
        if matches!(parameter.shape, Shape::List(_) | Shape::Other) {
            self.report(format!(
                "the parameter {name} is no single value: go through a list with `each`"
            ));
            return None;
        }
        let is_certain =
            parameter.is_required || parameter.default.is_some() || self.given == Some(name);
        if !is_certain {
            self.report(format!(
                "the parameter {name} may be missing: give it a default, require it, or use `when`"
            ));
        }
        Some(&parameter.shape)
    }
}

/// `--name=`, or `-n=` for a program that takes it.
fn takes_value(prefix: &str) -> bool {
    let name = prefix.trim_start_matches('-');
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    match name.split_once('=') {
        Some((name, _)) => !name.is_empty() && name.bytes().all(plain),
        None => false,
    }
}

fn undeclared(name: &str) -> String {
    let shown: String = name.chars().take(64).collect();
    format!("{{{}}} is no declared parameter", shown.escape_debug())
}
