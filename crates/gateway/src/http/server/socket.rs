use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustix::net::{Shutdown, shutdown};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

use super::connections::Place;

/// What is still read of a request that was refused early, so that its client, which may still be
/// sending, gets to read the answer: a connection that is closed with unread bytes is reset, and the
/// reset may overtake the answer (RFC 9112, section 9.6).
const LINGER_BYTES: usize = 128 * 1024 * 1024;
const LINGER_TIME: Duration = Duration::from_secs(10);

/// One connection's socket, shared by the server, which reads and writes, and the watch for its client's
/// departure: a second descriptor for the watch would halve the connections that there can be.
pub(in crate::http) struct Socket {
    stream: Arc<TcpStream>,
    place: Arc<Place>,
    lingering: Option<Lingering>,
}

struct Lingering {
    left_bytes: usize,
    until: Pin<Box<Sleep>>,
}

impl Socket {
    pub(in crate::http) fn new(stream: Arc<TcpStream>, place: Arc<Place>) -> Self {
        Self {
            stream,
            place,
            lingering: None,
        }
    }

    fn poll_receive(
        &self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.stream.poll_read_ready(context))?;
            match self.stream.try_read_buf(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return Poll::Ready(read),
            }
        }
    }

    fn poll_send(
        &self,
        context: &mut Context<'_>,
        write: impl Fn(&TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.stream.poll_write_ready(context))?;
            match write(&self.stream) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                sent => return Poll::Ready(sent),
            }
        }
    }

    /// Reads on, and throws away, until the client has ended, or until it has had enough of us.
    fn poll_linger(&mut self, context: &mut Context<'_>) -> Poll<()> {
        const PIECE_BYTES: usize = 16 * 1024;
        loop {
            let Some(lingering) = &mut self.lingering else {
                return Poll::Ready(());
            };
            if lingering.left_bytes == 0 || lingering.until.as_mut().poll(context).is_ready() {
                return Poll::Ready(());
            }
            let mut piece = [0; PIECE_BYTES];
            let mut buffer = ReadBuf::new(&mut piece);
            match ready!(self.poll_receive(context, &mut buffer)) {
                Ok(read) if read > 0 => {
                    if let Some(lingering) = &mut self.lingering {
                        lingering.left_bytes = lingering.left_bytes.saturating_sub(read);
                    }
                }
                Ok(_) | Err(_) => return Poll::Ready(()),
            }
        }
    }
}

/// Returns when the other side has ended its half of the connection, beside whatever reads from it:
/// the server looks for that only while it has read nothing beyond the request.
///
/// The end is a state of the socket that no read takes away. Nothing else is waited for: the urgent data
/// that this interest names is never asked of the kernel.
pub(in crate::http) async fn peer_left(stream: &TcpStream) {
    while let Ok(ready) = stream.ready(Interest::PRIORITY).await {
        if ready.is_read_closed() {
            return;
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = ready!(self.poll_receive(context, buffer))?;
        if read > 0 {
            self.place.received();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_send(context, |stream| stream.try_write(bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_send(context, |stream| stream.try_write_vectored(slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Ends our half, and then lingers if the client may still be sending.
    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.lingering.is_none() {
            shutdown(&*self.stream, Shutdown::Write)?;
            if !self.place.has_unread_body() {
                return Poll::Ready(Ok(()));
            }
            self.lingering = Some(Lingering {
                left_bytes: LINGER_BYTES,
                until: Box::pin(sleep(LINGER_TIME)),
            });
        }
        self.poll_linger(context).map(Ok)
    }
}
