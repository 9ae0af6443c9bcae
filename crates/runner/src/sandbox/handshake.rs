use std::{
    fs::{self, File},
    io::{self, IoSliceMut},
    mem::MaybeUninit,
    net::TcpListener,
    os::fd::{AsRawFd as _, OwnedFd},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use rustix::{
    cmsg_space,
    net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg, sockopt},
    process::Pid,
};
use tokio::{
    io::{AsyncWriteExt as _, Interest},
    net::{UnixListener, UnixStream},
};

use super::{
    error::SandboxError,
    launch::{GO, READY},
};

const REPORT_BYTES: usize = 512;

/// The socket on which the runner waits for the launcher. It is removed after the handshake, so the program
/// cannot connect to it.
pub(crate) struct LaunchHandshake {
    listener: UnixListener,
    path: PathBuf,
    needs_listener: bool,
}

/// The report of the launcher.
pub(crate) struct Report {
    /// The launcher's process id, which will be the program's.
    pub(crate) launcher: Pid,
    listener: Option<TcpListener>,
    stream: UnixStream,
}

impl LaunchHandshake {
    pub(crate) fn open(directory: &Path, needs_listener: bool) -> io::Result<Self> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("launch-{}-{count}.socket", std::process::id());
        // The address of a socket has at most 107 bytes, and a path may be longer. So it goes through the
        // directory's descriptor.
        let held = File::open(directory)?;
        let address = format!("/proc/self/fd/{}/{name}", held.as_raw_fd());
        let path = directory.join(name);
        let _ = fs::remove_file(&path);
        Ok(Self {
            listener: UnixListener::bind(address)?,
            path,
            needs_listener,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Waits for the launcher's report. The launcher then waits for [`Report::let_go`].
    pub(crate) async fn hold(&self) -> io::Result<Result<Report, SandboxError>> {
        let (stream, _) = self.listener.accept().await?;
        let launcher = stream.peer_cred()?.pid().and_then(Pid::from_raw);
        let launcher =
            launcher.ok_or_else(|| io::Error::other("the launcher has no process id"))?;
        let (word, listener) = receive(&stream).await?;
        if word != READY {
            return Ok(Err(refusal(&word)));
        }
        if listener.is_some() != self.needs_listener {
            return Err(io::Error::other("the launcher did not pass its listener"));
        }
        Ok(Ok(Report {
            launcher,
            listener,
            stream,
        }))
    }
}

impl Report {
    /// Makes the launcher become the program. Its end of the stream closes then, or carries the reason why it
    /// could not.
    pub(crate) async fn let_go(mut self) -> io::Result<Result<Option<TcpListener>, SandboxError>> {
        self.stream.write_all(GO).await?;
        let (last_word, _) = receive(&self.stream).await?;
        if last_word.is_empty() {
            Ok(Ok(self.listener))
        } else {
            Ok(Err(refusal(&last_word)))
        }
    }
}

impl Drop for LaunchHandshake {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

fn refusal(word: &[u8]) -> SandboxError {
    SandboxError::Refused(String::from_utf8_lossy(word).into_owned())
}

/// Receives one message, and the listener if one came with it. The message is empty at the end of the stream.
async fn receive(stream: &UnixStream) -> io::Result<(Vec<u8>, Option<TcpListener>)> {
    stream
        .async_io(Interest::READABLE, || {
            let mut word = [0; REPORT_BYTES];
            let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
            let mut passed = RecvAncillaryBuffer::new(&mut space);
            let received = recvmsg(
                stream,
                &mut [IoSliceMut::new(&mut word)],
                &mut passed,
                RecvFlags::CMSG_CLOEXEC,
            )?;
            let descriptors = passed.drain().filter_map(|message| match message {
                RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
                _ => None,
            });
            let descriptor = descriptors.flatten().next();
            let listener = descriptor.map(listener).transpose()?;
            let word = word.get(..received.bytes).unwrap_or_default().to_vec();
            Ok((word, listener))
        })
        .await
}

fn listener(descriptor: OwnedFd) -> io::Result<TcpListener> {
    if !sockopt::socket_acceptconn(&descriptor)? {
        return Err(io::Error::other("the launcher passed what does not listen"));
    }
    let listener = TcpListener::from(descriptor);
    listener.set_nonblocking(true)?;
    Ok(listener)
}
