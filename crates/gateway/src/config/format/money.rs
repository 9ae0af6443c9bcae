const MICROS: u64 = 1_000_000;
const DECIMALS: usize = 6;
const MAX_UNITS: u64 = 1_000_000_000;

pub(super) fn amount(text: &str) -> Result<String, String> {
    micros(text).map(|_| text.to_owned())
}

/// A decimal number in millionths.
pub fn micros(text: &str) -> Result<u64, String> {
    let wrong =
        || "must be an amount such as \"250\" or \"0.15\", with at most six decimals".to_owned();
    let (units, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(units) || !is_number(decimals) || decimals.len() > DECIMALS {
        return Err(wrong());
    }
    let units: u64 = units.parse().map_err(|_| wrong())?;
    let fraction: u64 = format!("{decimals:0<DECIMALS$}")
        .parse()
        .map_err(|_| wrong())?;
    if units > MAX_UNITS {
        return Err(wrong());
    }
    Ok(units * MICROS + fraction)
}

#[cfg(test)]
mod tests {
    use super::micros;

    #[test]
    fn amounts_are_exact() {
        for (text, expected) in [
            ("250", 250_000_000),
            ("0.15", 150_000),
            ("0.000001", 1),
            ("1.1", 1_100_000),
            ("0", 0),
        ] {
            assert_eq!(micros(text), Ok(expected), "{text}");
        }
        for text in [
            "",
            ".",
            ".5",
            "5.",
            "1e3",
            "-1",
            "0.0000001",
            "1,5",
            "99999999999999999999",
        ] {
            assert!(micros(text).is_err(), "{text}");
        }
    }
}
