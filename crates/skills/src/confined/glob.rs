//! Whether a pattern of names stays below the workspace, whichever program reads it.
//!
//! Programs disagree about braces, escapes and what a wildcard matches at a leading dot: to glob(3), `.*`
//! and `.?` match `..`. So it is not asked what a pattern means, but whether any of its components could
//! be `..` in any reading.

use super::Refusal;

const LEAVES: Refusal = "leaves the workspace";

/// A leading `!` excludes, which cannot lead anywhere, but is validated like any other.
pub(super) fn check(text: &str) -> Result<(), Refusal> {
    let pattern = text.strip_prefix('!').unwrap_or(text);
    if pattern.is_empty() {
        return Err("must not be empty");
    }
    if pattern.starts_with('/') {
        return Err("begins at the root: patterns begin at the workspace");
    }
    // In braces and classes a component has other neighbours than slashes.
    let around = ['/', '{', '}', ',', '[', ']', '(', ')', '|', '\\'];
    if pattern.split(around).any(|component| component == "..") {
        return Err(LEAVES);
    }
    // An escape only takes a meaning away.
    let pattern = pattern.replace('\\', "");
    // Braces may hold slashes: a part between two of them is a component, or the end of one alternative
    // and the beginning of another, which is validated as if they were one.
    if pattern.split('/').any(may_be_parent) {
        return Err(
            "has a part that could be read as ..: a dot needs a name beside it, as in .git*",
        );
    }
    Ok(())
}

/// Braces may be read before classes, or after.
fn may_be_parent(part: &str) -> bool {
    let alternatives = |part: &str| {
        let mut part = part.to_owned();
        for extended in ["@(", "+(", "!(", "?(", "*("] {
            part = part.replace(extended, "(");
        }
        let alternatives = part.split(['{', '}', ',', '(', ')', '|']);
        alternatives.map(without_classes).collect::<Vec<_>>()
    };
    let classes_first = without_classes(part);
    any_make_parent(&alternatives(part)) || any_make_parent(&alternatives(&classes_first))
}

/// With `?` for each class. A bracket that is not closed is a character.
fn without_classes(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('[') {
        plain.push_str(before);
        // The first in a class is never its end.
        let body = after.strip_prefix(['!', '^']).unwrap_or(after);
        let mut characters = body.char_indices().skip(1);
        if let Some((end, _)) = characters.find(|(_, character)| *character == ']') {
            plain.push('?');
            rest = &body[end + 1..];
        } else {
            plain.push('[');
            rest = after;
        }
    }
    plain.push_str(rest);
    plain
}

/// Whether some of these, put together in their order, match `..`. Its first dot is always written: no
/// wildcard matches it.
fn any_make_parent(alternatives: &[String]) -> bool {
    let dots = alternatives.iter().filter_map(|text| Dots::of(text));
    let dots: Vec<Dots> = dots.collect();
    let makes_parent = |(index, first): (usize, &Dots)| match first.least {
        _ if !first.is_first_written => false,
        2 => true,
        // Another dot may follow it, or what may be one.
        1 => first.has_star || dots[index + 1..].iter().any(|next| next.least <= 1),
        _ => false,
    };
    dots.iter().enumerate().any(makes_parent)
}

/// A text of nothing but dots and wildcards.
struct Dots {
    /// How many characters it has at least.
    least: usize,
    has_star: bool,
    is_first_written: bool,
}

impl Dots {
    fn of(text: &str) -> Option<Self> {
        let is_dots = !text.is_empty() && text.chars().all(|one| matches!(one, '.' | '?' | '*'));
        is_dots.then(|| Self {
            least: text.chars().filter(|one| *one != '*').count(),
            has_star: text.contains('*'),
            is_first_written: text.starts_with('.'),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_glob_cannot_lead_out() {
        for good in [
            "*.rs",
            "src/**",
            "!*.lock",
            "**/*.{rs,toml}",
            "...",
            "a..b",
            "-f",
            "[ab]",
            ".",
            "./src/**",
            ".github/**",
            ".git*",
            ".*.toml",
            ".*rc",
            ".[a-z]*rc",
            ".{github,circleci}/**",
            "{.github,.circleci}/*.yml",
            ".env.{local,production}",
            "**/.?*rc",
            "a.*",
            "*.?",
            "*.*",
            ".{a,.b}",
            "src/{a/*,b}.rs",
            "[.]*",
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "!",
            "/etc/*",
            "!/etc",
            "..",
            "../*",
            "a/../../b",
            "!../x",
            "{..,a}/x",
            "[..]/x",
            "..\\/x",
            // What wildcards match in glob(3).
            ".*/etc",
            "a/.?/x",
            ".**",
            ".?*/x",
            ".*.",
            ".[.]/x",
            ".[!a]/x",
            ".[]a.]/x",
            "!.*/x",
            // What escapes and braces make.
            ".\\./x",
            "\\.\\./x",
            ".{.,a}/x",
            "{.,a}./x",
            "{.,}{.,}/x",
            ".{*,a}/x",
            "{a,.}*/x",
            "{.*,a}/x",
            "{.,..a,.*}/x",
            "{.,.?}/x",
            "{a,.}{b,?}/x",
            "{a/.,b}./x",
            "{a,./x}/.{.,}/y",
            "{[,.}.{],}/x",
            ".@(.)/x",
            ".+(.|a)/x",
            ".?(.)/x",
        ] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }
}
