//! What a template must not do: name what is not declared, or let a value become an option.

use std::collections::BTreeSet;

use super::super::parameters::{Parameter, Parameters, Shape};
use super::super::problem::Notes;
use super::super::section::Said;
use super::{ArgumentTemplate, Element, TextTemplate};

impl ArgumentTemplate {
    /// Notes every mistake, and adds the parameters that are used to `used`.
    pub(in super::super) fn check(
        &self,
        parameters: &Parameters,
        used: &mut BTreeSet<String>,
        notes: &mut Notes,
    ) {
        self.check_from(self.positionals_from(), parameters, used, notes);
    }

    /// The same for arguments that stand behind a `--` of ours.
    pub(in super::super) fn check_positionals(
        &self,
        parameters: &Parameters,
        used: &mut BTreeSet<String>,
        notes: &mut Notes,
    ) {
        self.check_from(0, parameters, used, notes);
    }

    fn check_from(
        &self,
        positionals_from: usize,
        parameters: &Parameters,
        used: &mut BTreeSet<String>,
        notes: &mut Notes,
    ) {
        for (index, element) in self.elements.iter().enumerate() {
            let mut check = Check {
                parameters,
                used: &mut *used,
                notes: &mut *notes,
                offset: element.offset,
                is_positional: index >= positionals_from,
                item: None,
                given: None,
            };
            match &element.value {
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
                        check.notes.wrong(element.offset, detail);
                    }
                    check.conditional(args);
                }
            }
        }
    }

    /// Behind the `--` that ends the options: the first one that no option follows. After `npm test --`
    /// options of another program follow, so that one ends nothing.
    fn positionals_from(&self) -> usize {
        let literal = |element: &Said<Element>| match &element.value {
            Element::Argument(text) => text.literal().map(str::to_owned),
            _ => None,
        };
        let starts_like_option = |element: &Said<Element>| {
            let texts = match &element.value {
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

    /// Notes places that name nothing.
    pub(in super::super) fn check(
        &self,
        parameters: &Parameters,
        others: &[&str],
        offset: usize,
        used: &mut BTreeSet<String>,
        notes: &mut Notes,
    ) {
        for name in self.parameters() {
            if parameters.get(name).is_some() {
                used.insert(name.to_owned());
            } else if !others.contains(&name) {
                notes.wrong(offset, undeclared(name));
            }
        }
        if self.has_item() {
            notes.wrong(offset, "{} has a meaning only in `each`");
        }
    }
}

/// The check of one element.
struct Check<'check, 'text> {
    parameters: &'check Parameters,
    used: &'check mut BTreeSet<String>,
    notes: &'check mut Notes<'text>,
    offset: usize,
    is_positional: bool,
    /// The shape of `{}`.
    item: Option<&'check Shape>,
    /// The parameter that is certainly given here.
    given: Option<&'check str>,
}

impl<'check> Check<'check, '_> {
    fn wrong(&mut self, detail: impl Into<String>) {
        self.notes.wrong(self.offset, detail);
    }

    fn declared(&mut self, name: &str) -> Option<&'check Parameter> {
        let parameter = self.parameters.get(name);
        if parameter.is_none() {
            self.wrong(undeclared(name));
        }
        self.used.insert(name.to_owned());
        parameter
    }

    fn list(&mut self, name: &str) -> Option<&'check Shape> {
        if let Shape::List(item) = &self.declared(name)?.shape {
            return Some(item);
        }
        self.wrong(format!(
            "`each` needs a list, and the parameter {name} is none"
        ));
        None
    }

    fn conditional(&mut self, args: &[TextTemplate]) {
        if args.iter().any(|text| text.literal() == Some("--")) {
            self.wrong("\"--\" cannot be conditional: what follows it would change its meaning");
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
                        self.wrong("{} has a meaning only in `each`, on a list that is declared");
                    }
                    self.item
                }
            };
            if is_first && shape.is_some_and(Shape::may_begin_with_dash) && !self.is_positional {
                self.wrong(
                    "a value alone in an argument may be taken for an option: write --name={…}, or put it behind \"--\"",
                );
            }
            is_first = false;
        }
        let prefix = text.prefix().unwrap_or_default();
        if prefix.starts_with('-') && !self.is_positional && !takes_value(prefix) {
            self.wrong("an option takes a value as --name={…} in one argument");
        }
    }

    fn scalar(&mut self, name: &str) -> Option<&'check Shape> {
        let parameter = self.declared(name)?;
        if matches!(parameter.shape, Shape::List(_) | Shape::Other) {
            self.wrong(format!(
                "the parameter {name} is no single value: go through a list with `each`"
            ));
            return None;
        }
        let is_certain =
            parameter.is_required || parameter.default.is_some() || self.given == Some(name);
        if !is_certain {
            self.wrong(format!(
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
