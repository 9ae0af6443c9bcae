use jiff::{SignedDuration, Timestamp};
use rustls::pki_types::CertificateDer;
use x509_parser::parse_x509_certificate;

/// Whoever renews certificates has renewed this one by then.
pub const EXPIRY_NOTICE: SignedDuration = SignedDuration::from_hours(14 * 24);

/// From when to when a certificate may be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    pub begins: Timestamp,
    pub ends: Timestamp,
}

impl Validity {
    pub(super) fn of(certificate: &CertificateDer<'_>) -> Result<Self, String> {
        let unreadable = || "holds something that is not a certificate".to_owned();
        let (_, certificate) = parse_x509_certificate(certificate).map_err(|_| unreadable())?;
        let validity = certificate.validity();
        let moment = |seconds| Timestamp::from_second(seconds).map_err(|_| unreadable());
        Ok(Self {
            begins: moment(validity.not_before.timestamp())?,
            ends: moment(validity.not_after.timestamp())?,
        })
    }

    /// Whether the certificate may be shown now.
    pub(super) fn check(&self) -> Result<(), String> {
        let now = Timestamp::now();
        if now > self.ends {
            return Err(format!("the certificate has expired on {}", self.ends));
        }
        if now < self.begins {
            return Err(format!(
                "the certificate is not valid before {}",
                self.begins
            ));
        }
        Ok(())
    }

    /// What is to be said of a certificate that ends soon.
    pub fn notice(&self) -> Option<String> {
        let left = self.ends.duration_since(Timestamp::now());
        (left < EXPIRY_NOTICE).then(|| {
            let days = left.as_hours() / 24;
            format!("the certificate expires on {}, in {days} days", self.ends)
        })
    }
}
