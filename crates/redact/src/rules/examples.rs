//! Examples of a rule, which are its tests.

/// A text that a rule must hide something in, or must leave alone.
///
/// In the file it is a string or a list of strings to join. `{{class*n}}` stands for n characters
/// of a class (`alnum`, `lower`, `upper`, `hex`, `HEX`, `digit`, `base64`, `url`, `base32`), always
/// the same ones, so that no file holds anything that a scanner would take for a live secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Example {
    pub(crate) text: String,
}

impl Example {
    /// Expands the generators.
    pub(crate) fn parse(source: &str) -> Result<Self, String> {
        let mut text = String::new();
        let mut rest = source;
        while let Some((head, tail)) = rest.split_once("{{") {
            text.push_str(head);
            let Some((generator, after)) = tail.split_once("}}") else {
                text.push_str("{{");
                rest = tail;
                continue;
            };
            match generator.split_once('*') {
                Some((class, count)) => {
                    let count = count
                        .parse()
                        .map_err(|_| format!("`{{{{{generator}}}}}` has no count"))?;
                    text.push_str(&characters(class, count)?);
                }
                None => text.extend(["{{", generator, "}}"]),
            }
            rest = after;
        }
        text.push_str(rest);
        Ok(Self { text })
    }
}

fn characters(class: &str, count: usize) -> Result<String, String> {
    let alphabet: &[u8] = match class {
        "alnum" => b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
        "lower" => b"abcdefghijklmnopqrstuvwxyz0123456789",
        "upper" => b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789",
        "hex" => b"0123456789abcdef",
        "HEX" => b"0123456789ABCDEF",
        "digit" => b"0123456789",
        "base64" => b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
        "url" => b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
        "base32" => b"abcdefghijklmnopqrstuvwxyz234567",
        other => return Err(format!("`{other}` is not a class of characters")),
    };
    let mut state: u32 = 0x9e37_79b9;
    let text = (0..count).map(|_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        char::from(alphabet[(state >> 16) as usize % alphabet.len()])
    });
    Ok(text.collect())
}

/// Applies `redact` to the examples of one rule. Returns why, for each that fails.
pub(crate) fn check_examples(
    redact: impl Fn(&str) -> String,
    id: &str,
    positive: &[Example],
    negative: &[Example],
) -> Vec<String> {
    let marker = format!("[REDACTED:{id}]");
    let finds = |example: &Example| redact(&example.text).contains(&marker);
    let missed = positive
        .iter()
        .enumerate()
        .filter(|(_, example)| !finds(example));
    let hit = negative
        .iter()
        .enumerate()
        .filter(|(_, example)| finds(example));
    missed
        .map(|(index, _)| format!("positive example {} is not found", index + 1))
        .chain(hit.map(|(index, _)| format!("negative example {} is found", index + 1)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::Example;

    #[test]
    fn generators_expand_and_templates_stay() {
        let example = Example::parse("a{{digit*3}}b {{token}}").unwrap();
        assert_eq!(example.text.len(), 5 + 10);
        assert!(example.text.ends_with(" {{token}}"));
        assert!(Example::parse("{{digit*x}}").is_err());
        assert!(Example::parse("{{letters*3}}").is_err());
    }
}
