//! One caller of one turn, on a plain socket: it sees every byte, and can leave at any moment.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::gateway::CALL_TIMEOUT;
use crate::plan::{Fate, TurnPlan};

/// Beyond the deadline of the call itself. An answer later than that is none.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a caller has of its call.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) sent: Instant,
    pub(crate) ended: Instant,
    pub(crate) received: Vec<u8>,
    pub(crate) end: ExchangeEnd,
}

#[derive(Debug)]
pub(crate) enum ExchangeEnd {
    /// The gateway closed the connection, as it was asked to after its answer.
    Closed,
    /// The caller left.
    Left,
    Broken(String),
}

/// Sends the question and reads to the end, or until the caller is to leave.
pub(crate) async fn ask(turn: &TurnPlan, address: SocketAddr) -> Exchange {
    let sent = Instant::now();
    let mut received = Vec::new();
    let end = match send(turn, address).await {
        Ok(stream) => read(turn, stream, &mut received).await,
        Err(error) => ExchangeEnd::Broken(format!("the question could not be sent: {error}")),
    };
    Exchange {
        sent,
        ended: Instant::now(),
        received,
        end,
    }
}

async fn send(turn: &TurnPlan, address: SocketAddr) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    stream.write_all(request(turn).as_bytes()).await?;
    Ok(stream)
}

async fn read(turn: &TurnPlan, mut stream: TcpStream, received: &mut Vec<u8>) -> ExchangeEnd {
    let reading = async {
        while stream.read_buf(received).await? > 0 {}
        Ok::<_, io::Error>(())
    };
    let leaving = async {
        match turn.fate {
            Fate::Disconnect { after } => sleep(after).await,
            _ => std::future::pending().await,
        }
    };
    tokio::select! {
        outcome = timeout(CALL_TIMEOUT + PATIENCE, reading) => match outcome {
            Ok(Ok(())) => ExchangeEnd::Closed,
            Ok(Err(error)) => ExchangeEnd::Broken(format!("the connection failed: {error}")),
            Err(_) => ExchangeEnd::Broken("the answer did not end".to_owned()),
        },
        () = leaving => ExchangeEnd::Left,
    }
}

fn request(turn: &TurnPlan) -> String {
    let message = format!("Say {} back.{}", turn.nonce, turn.padding);
    let mut body = json!({ "message": message, "stream": turn.is_streamed });
    if let Some(context) = &turn.context {
        body["context"] = json!(context);
    }
    let body = body.to_string();
    format!(
        "POST /chat HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: {}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        turn.request_id(),
        body.len(),
    )
}
