//! API keys as callers write them: `pc_<12 public characters>_<43 secret characters>`.

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use zeroize::Zeroize as _;

const PREFIX: &str = "pc_";
const PUBLIC_CHARS: usize = 12;
/// 43 characters of 62 hold 256 bits.
const SECRET_CHARS: usize = 43;

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A key. Its secret part is never printed, logged or stored.
#[derive(Debug)]
pub struct ApiKey {
    public_id: String,
    secret: SecretString,
}

impl ApiKey {
    /// A new key, from the system's random numbers.
    pub fn generate() -> Result<Self, getrandom::Error> {
        Ok(Self {
            public_id: random(PUBLIC_CHARS)?,
            secret: random(SECRET_CHARS)?.into(),
        })
    }

    /// The same secret as that of a key that there is.
    #[must_use]
    pub fn named(self, public_id: String) -> Self {
        Self { public_id, ..self }
    }

    /// `None` if the text has another form.
    pub fn parse(text: &str) -> Option<Self> {
        let (public_id, secret) = text.strip_prefix(PREFIX)?.split_once('_')?;
        let is_of = |part: &str, chars| part.len() == chars && part.bytes().all(is_in_alphabet);
        (is_of(public_id, PUBLIC_CHARS) && is_of(secret, SECRET_CHARS)).then(|| Self {
            public_id: public_id.to_owned(),
            secret: secret.into(),
        })
    }

    /// Names the key wherever it is spoken of.
    pub fn public_id(&self) -> &str {
        &self.public_id
    }

    /// What is stored. The secret has 256 random bits, so that a fast hash is as good as a slow one.
    pub fn sha256(&self) -> [u8; 32] {
        Sha256::digest(self.secret.expose_secret().as_bytes()).into()
    }

    /// The whole key, to be shown once.
    pub fn reveal(&self) -> SecretString {
        format!("{PREFIX}{}_{}", self.public_id, self.secret.expose_secret()).into()
    }
}

fn is_in_alphabet(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
}

/// Characters of the alphabet, each as likely as any other.
fn random(chars: usize) -> Result<String, getrandom::Error> {
    // A byte beyond the last whole multiple of 62 would favour the first characters.
    const USABLE: u8 = 248;
    let mut text = String::with_capacity(chars);
    let mut bytes = [0; 64];
    while text.len() < chars {
        getrandom::fill(&mut bytes)?;
        let usable = bytes.iter().filter(|byte| **byte < USABLE);
        let missing = chars - text.len();
        text.extend(
            usable
                .take(missing)
                .map(|byte| char::from(ALPHABET[usize::from(byte % 62)])),
        );
    }
    bytes.zeroize();
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_key_is_read_as_it_was_made() {
        let key = ApiKey::generate().unwrap();
        let text = key.reveal();
        let read = ApiKey::parse(text.expose_secret()).unwrap();
        assert_eq!(read.public_id(), key.public_id());
        assert_eq!(read.sha256(), key.sha256());
        assert_ne!(ApiKey::generate().unwrap().sha256(), key.sha256());
        let other = ApiKey::generate().unwrap().named(key.public_id.clone());
        assert_eq!(other.public_id(), key.public_id());
        assert_ne!(other.sha256(), key.sha256());
    }

    #[test]
    fn another_form_is_no_key() {
        let (id, secret) = ("a".repeat(12), "B".repeat(43));
        assert!(ApiKey::parse(&format!("pc_{id}_{secret}")).is_some());
        for text in [
            String::new(),
            "pc_".to_owned(),
            format!("pc_{id}"),
            format!("sk_{id}_{secret}"),
            format!("pc_{id}_{secret}x"),
            format!("pc_{id}x_{secret}"),
            format!("pc_{id}_{}", "é".repeat(22)),
            format!("pc_{id}_{}-", &secret[1..]),
            format!(" pc_{id}_{secret}"),
        ] {
            assert!(ApiKey::parse(&text).is_none(), "{text}");
        }
    }

    #[test]
    fn a_key_does_not_print_its_secret() {
        let key = ApiKey::generate().unwrap();
        let secret = key.secret.expose_secret().to_owned();
        assert!(!format!("{key:?}").contains(&secret));
    }
}
