use crate::tls::Certificates;

/// What lies below HTTP, and which of its versions clients may speak.
#[derive(Clone, Debug)]
pub enum Transport {
    /// HTTP/1.1 in the clear.
    Plain,
    /// HTTP/1.1 in the clear, and HTTP/2 for clients that begin with it (RFC 9113, section 3.3).
    PlainWithHttp2,
    /// Both, as the handshake decides.
    Tls(Certificates),
}
