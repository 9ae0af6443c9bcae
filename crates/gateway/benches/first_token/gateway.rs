//! The built gateway, asked over HTTP as a client would.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::process::{Child, Command};

use crate::QUESTION;

pub(crate) struct Client {
    process: Child,
    reader: BufReader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
}

impl Client {
    pub(crate) async fn start(
        program: &Path,
        model: &SocketAddr,
        state_dir: &Path,
        sandbox: &str,
    ) -> io::Result<Self> {
        #[expect(
            clippy::disallowed_methods,
            reason = "the benchmark starts the product"
        )]
        let mut process = Command::new(env!("CARGO_BIN_EXE_portcullis"))
            .arg("serve")
            .env_clear()
            .env("CODEX_BIN", program)
            .env("CODEX_STATE_DIR", state_dir)
            .env("PORTCULLIS_SANDBOX", sandbox)
            .env("OPENAI_API_KEY", "bench")
            .env("OPENAI_BASE_URL", format!("http://{model}/v1"))
            .env("PORTCULLIS_BIND", "127.0.0.1:0")
            .env("PORTCULLIS_LOG", "warn")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let stdout = process
            .stdout
            .take()
            .ok_or_else(|| io::Error::other("no pipe"))?;
        let mut greeting = String::new();
        BufReader::new(stdout).read_line(&mut greeting).await?;
        let address = greeting
            .trim()
            .rsplit_once("http://")
            .ok_or_else(|| io::Error::other("the gateway did not say where it listens"))?
            .1;
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (reader, writer) = stream.into_split();
        Ok(Self {
            process,
            reader: BufReader::new(reader),
            writer,
        })
    }

    /// The time from the first byte of the request to the first `delta` frame.
    pub(crate) async fn ask(&mut self) -> io::Result<Duration> {
        let body = json!({ "message": QUESTION }).to_string();
        let request = format!(
            "POST /chat HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let begun = Instant::now();
        self.writer.write_all(request.as_bytes()).await?;
        let mut first_token = None;
        loop {
            let mut line = String::new();
            if self.reader.read_line(&mut line).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            match line.trim_end() {
                "event: delta" => first_token = first_token.or_else(|| Some(begun.elapsed())),
                "event: error" => return Err(io::Error::other("the gateway failed a question")),
                // The last chunk of the answer.
                "0" => break,
                _ => {}
            }
        }
        self.reader.read_exact(&mut [0; 2]).await?;
        first_token.ok_or_else(|| io::Error::other("an answer without a delta"))
    }

    pub(crate) async fn stop(mut self) -> io::Result<()> {
        self.process.kill().await
    }
}
