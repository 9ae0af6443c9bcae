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

/// Starts that may wait for the one before them; each takes a millisecond.
const WAITING_STARTS: usize = 16;

type Job = Box<dyn FnOnce() + Send>;

/// Starts `command` from the one thread that starts every child of this process.
///
/// A sandbox dies with the THREAD that started it (`PR_SET_PDEATHSIG`): with a thread of tokio's
/// blocking pool it would die seconds after it, with a runtime's worker at the end of the runtime. The
/// thread here ends with the process alone, and dies with it when it is killed.
///
/// The child inherits the `descriptor`, under its number. It can be inherited only while the child is
/// started, and nothing else is started meanwhile.
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
        // A caller that is gone drops the child, which kills it.
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
    // Two first starts at once make two threads; the second one's ends here, unused.
    Ok(JOBS.get_or_init(|| sender))
}
