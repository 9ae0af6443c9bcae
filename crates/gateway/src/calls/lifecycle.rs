//! The life of a call, whatever it asks for: it starts, is admitted, does its work, and ends exactly once.

use std::sync::Arc;
use std::time::Duration;

use broker::Usage;
use tokio::time::sleep_until;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::call::Call;
use super::chat::{Chat, PreparedChat};
use super::record::{Mode, Outcome};
use super::request::Request;
use super::result::CallResult;
use super::run::{RunEvent, RunFollower, RunWriter, new_run};
use super::tool::{PreparedTool, Tool};
use crate::access::limits::CallLimits;
use crate::admission::{self, Admission};
use crate::error::{ErrorCode, Problem};

/// Makes calls. It knows nothing of HTTP: what becomes of a call is read from its [`RunFollower`].
#[derive(Clone)]
pub struct Calls {
    parts: Arc<CallParts>,
}

/// What calls need of the gateway.
pub struct CallParts {
    pub chat: Chat,
    pub tool: Tool,
    pub admission: Admission,
    pub limits: CallLimits,
    /// The longest call.
    pub timeout: Duration,
    /// Where the tasks of calls run.
    pub tasks: TaskTracker,
    /// Cancelled when running calls have had their time to end at shutdown.
    pub stopping: CancellationToken,
}

/// A call that may be admitted: all that can be refused about it has been looked at.
enum PreparedCall {
    Chat(PreparedChat),
    Tool(PreparedTool),
}

impl Calls {
    pub fn new(parts: CallParts) -> Self {
        Self {
            parts: Arc::new(parts),
        }
    }

    /// Starts the work on a call. It goes on until its terminal event, its deadline, or until the follower
    /// is dropped.
    pub fn start(&self, request: Request, call: Call) -> RunFollower {
        let (writer, follower) = new_run();
        begin_record(&request, &call);
        let parts = Arc::clone(&self.parts);
        self.parts
            .tasks
            .spawn(async move { parts.run(request, call, writer).await });
        follower
    }
}

/// From here on the call says how the request ended. If it never does, the gateway has failed.
fn begin_record(request: &Request, call: &Call) {
    let mut facts = call.record.facts();
    facts.outcome = Outcome::Failed(Problem::new(ErrorCode::Internal, ""));
    match request {
        Request::Chat(request) => {
            facts.mode = Some(Mode::Chat);
            facts.message_bytes = Some(request.message.len());
            facts.context_bytes = Some(request.context.as_ref().map_or(0, String::len));
        }
        Request::Tool(request) => {
            facts.mode = Some(Mode::Tool);
            let values = request.extra.values();
            facts.extra_bytes = Some(values.map(|value| value.to_string().len()).sum());
        }
    }
}

/// What the call's turn has cost, whatever has become of it.
fn used(call: &Call) -> Option<(String, Usage)> {
    let facts = call.record.facts();
    facts.model.clone().zip(facts.usage)
}

impl CallParts {
    /// One call, and its one terminal event on every path.
    async fn run(&self, request: Request, mut call: Call, writer: RunWriter) {
        let outcome = tokio::select! {
            // What ends a call from outside goes before what it still has to say.
            biased;
            () = writer.cancelled() => Err(Problem::new(ErrorCode::ClientGone, "")),
            () = self.stopping.cancelled() => Err(admission::draining()),
            () = sleep_until(call.deadline.instant()) => {
                Err(Problem::deadline_exceeded(self.timeout))
            }
            outcome = self.work(request, &call, &writer) => outcome,
        };
        if let Some(lease) = call.lease.take() {
            self.limits.settle(lease, used(&call)).await;
        }
        let (event, outcome) = match outcome {
            Ok(result) => (RunEvent::Done(result), Outcome::Answered { status: 200 }),
            Err(mut problem) => {
                if call.record.facts().may_have_started {
                    problem = problem.after_codex_started();
                }
                let outcome = Outcome::Failed(problem.clone());
                (RunEvent::Failed { problem }, outcome)
            }
        };
        call.record.facts().outcome = outcome;
        writer.finish(event);
    }

    /// Dropping this future at any point ends what runs and gives back the permit.
    async fn work(
        &self,
        request: Request,
        call: &Call,
        writer: &RunWriter,
    ) -> Result<CallResult, Problem> {
        let prepared = match request {
            Request::Chat(request) => PreparedCall::Chat(self.chat.prepare(request, call)?),
            Request::Tool(request) => PreparedCall::Tool(self.tool.prepare(request, call).await?),
        };
        let need = match &prepared {
            PreparedCall::Chat(prepared) => self.chat.need(prepared),
            PreparedCall::Tool(prepared) => self.tool.need(prepared),
        };
        let lease = self.limits.admit(&call.caller, &need).await?;
        call.record.facts().limits = lease.states().to_vec();
        // It is set here alone.
        let _ = call.lease.set(lease);
        let admitting = self.admission.admit(&call.caller.tenant, call.deadline);
        let _permit = admitting.await?;
        call.record.admitted();
        match prepared {
            PreparedCall::Chat(prepared) => self.chat.answer(prepared, call, writer).await,
            PreparedCall::Tool(prepared) => self.tool.run(prepared, call, writer).await,
        }
    }
}
