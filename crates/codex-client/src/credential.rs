use std::fmt::Write as _;

use secrecy::SecretString;

/// 256 random bits in hexadecimal, so that no other process on this machine can guess it.
pub(crate) fn new_credential() -> Result<SecretString, getrandom::Error> {
    let mut credential = String::new();
    for _ in 0..4 {
        // Writing to a String cannot fail.
        let _ = write!(credential, "{:016x}", getrandom::u64()?);
    }
    Ok(credential.into())
}
