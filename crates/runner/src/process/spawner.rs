use std::{
    io,
    os::fd::OwnedFd,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        OnceLock,
        mpsc::{SyncSender, sync_channel},
    },
    thread,
};

use rustix::io::{FdFlags, fcntl_setfd};
use tokio::{
    process::{Child, Command},
    runtime::Handle,
};

use crate::reap::child_registry;

/// The most starts that may wait. Each takes a millisecond.
const WAITING_STARTS: usize = 16;

type Job = Box<dyn FnOnce() + Send>;

/// Starts `command` from the one thread that starts all children of this process.
///
/// The kernel kills a sandbox when the THREAD that started it ends (`PR_SET_PDEATHSIG`). A thread of tokio's
/// blocking pool ends after some idle seconds, and a worker thread with its runtime. This thread lives as
/// long as the process.
///
/// The child inherits `descriptor` under the same number. No other child can inherit it, because no other one
/// is started at the same time.
pub(crate) fn start(
    mut command: Command,
    descriptor: Option<OwnedFd>,
    runtime: Handle,
) -> io::Result<Child> {
    let (sender, receiver) = sync_channel(1);
    let job: Job = Box::new(move || {
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            let _entered = runtime.enter();
            let mut registry = child_registry::lock();
            if let Some(descriptor) = &descriptor {
                fcntl_setfd(descriptor, FdFlags::empty())?;
            }
            let child = command.spawn();
            drop(descriptor);
            let child = child?;
            registry.add(child.id().unwrap_or_default());
            Ok(child)
        }));
        let ended = |_| Err(io::Error::other("the runtime is ending"));
        // If the caller has left, the child is dropped, which kills it.
        let _ = sender.send(outcome.unwrap_or_else(ended));
    });
    let gone = || io::Error::other("the thread that starts processes has ended");
    jobs()?.send(job).map_err(|_| gone())?;
    receiver.recv().map_err(|_| gone())?
}

fn jobs() -> io::Result<&'static SyncSender<Job>> {
    static JOBS: OnceLock<SyncSender<Job>> = OnceLock::new();
    if let Some(jobs) = JOBS.get() {
        return Ok(jobs);
    }
    let (sender, receiver) = sync_channel::<Job>(WAITING_STARTS);
    let thread = thread::Builder::new().name("runner-spawner".to_owned());
    thread.spawn(move || receiver.into_iter().for_each(|job| job()))?;
    // Two first starts at the same time make two threads. The second thread ends here, unused.
    Ok(JOBS.get_or_init(|| sender))
}
