use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::config::Settings;

use super::name::ADDRESS;
use super::report::Check;

const ANSWER_LIMIT: Duration = Duration::from_secs(1);
const MAX_ANSWER_BYTES: u64 = 4096;

/// Whether the port can be opened. It is closed again.
pub(super) async fn check(settings: &Settings) -> Check {
    let address = settings.server.bind;
    let Err(error) = TcpListener::bind(address).await else {
        return Check::ok(ADDRESS, format!("{address} is free"));
    };
    match error.kind() {
        io::ErrorKind::AddrInUse if is_a_gateway(address).await => Check::warning(
            ADDRESS,
            format!("{address} is in use, by a gateway that answers"),
            "Nothing, if that is the one you mean; another one needs another PORTCULLIS_BIND.",
        ),
        // Its certificate may be one that only its callers can check, so it is not asked.
        io::ErrorKind::AddrInUse if settings.tls.is_some() => Check::warning(
            ADDRESS,
            format!("{address} is in use; whether by a gateway is not asked with TLS"),
            "Nothing, if that is a gateway; `ss -ltnp` names the program.",
        ),
        io::ErrorKind::AddrInUse => Check::failed(
            ADDRESS,
            format!("{address} is in use by another program"),
            "End that program (`ss -ltnp` names it), or name another address in PORTCULLIS_BIND.",
        ),
        io::ErrorKind::PermissionDenied => Check::failed(
            ADDRESS,
            format!("{address} may not be opened by this user: {error}"),
            "Name a port from 1024 on in PORTCULLIS_BIND.",
        ),
        _ => Check::failed(
            ADDRESS,
            format!("{address} cannot be opened: {error}"),
            "Name an address of this machine in PORTCULLIS_BIND.",
        ),
    }
}

/// By its answer to `GET /livez`.
async fn is_a_gateway(address: SocketAddr) -> bool {
    let ask = async {
        let mut stream = TcpStream::connect(address).await?;
        let request = "GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream
            .take(MAX_ANSWER_BYTES)
            .read_to_end(&mut answer)
            .await?;
        Ok::<_, io::Error>(answer)
    };
    let answer = timeout(ANSWER_LIMIT, ask).await;
    answer.is_ok_and(|answer| {
        answer.is_ok_and(|bytes| {
            let text = String::from_utf8_lossy(&bytes);
            text.starts_with("HTTP/1.1 200 ")
                && text.contains("x-request-id: ")
                && text.ends_with("{\"status\":\"ok\"}")
        })
    })
}
