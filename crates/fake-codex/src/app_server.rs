//! The dialect `app-server`: JSON-RPC without its `jsonrpc` field, one message a line, on standard
//! input and output. Order, shapes and error texts are those of CLI 0.169.0, as observed.

mod outbox;
mod server_request;
mod shapes;
mod turn;

use std::{
    collections::HashMap,
    fs::File,
    io::{self, BufRead},
    process::{self, ExitCode},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use outbox::Outbox;
use serde_json::{Value, json};
use tokio::{runtime::Runtime, sync::oneshot, time};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use turn::Turn;
use uuid::Uuid;

use crate::{
    command_line::refuse,
    script::{Behaviour, Script},
    startup::{self, Startup},
};

const CRASH_CODE: i32 = 3;
const INVALID_REQUEST: i32 = -32600;
const OVERLOADED: i32 = -32001;

/// Reads requests on the main thread until standard input ends; turns are tasks of the runtime.
pub(crate) fn serve(startup: Startup) -> ExitCode {
    if let Some(code) = startup.exit_at_start {
        return ExitCode::from(code);
    }
    let (runtime, outbox) = match (startup.runtime(), Outbox::open()) {
        (Ok(runtime), Ok(outbox)) => (runtime, outbox),
        (Err(error), _) | (_, Err(error)) => return refuse(&error.to_string()),
    };
    runtime.block_on(async { time::sleep(startup.slow_start()).await });
    let server = Arc::new(Server {
        refusals_left: AtomicU64::new(startup.refuse_thread_start),
        startup,
        outbox,
        is_initialized: AtomicBool::new(false),
        has_stopped_reading: AtomicBool::new(false),
        reading_pause_ms: AtomicU64::new(0),
        closes_input: AtomicBool::new(false),
        turns_completed: AtomicU64::new(0),
        state: Mutex::default(),
        turns: TaskTracker::new(),
    });
    for line in io::stdin().lock().split(b'\n') {
        if server.closes_input.load(Ordering::Relaxed) {
            match close_input() {
                Ok(()) => server.has_stopped_reading.store(true, Ordering::Relaxed),
                Err(error) => return refuse(&error.to_string()),
            }
        }
        if server.has_stopped_reading.load(Ordering::Relaxed) {
            loop {
                thread::park();
            }
        }
        let pause = Duration::from_millis(server.reading_pause_ms.load(Ordering::Relaxed));
        runtime.block_on(async { time::sleep(pause).await });
        match line.map(|line| serde_json::from_slice::<Value>(&line)) {
            Ok(Ok(message)) => server.receive(&message, &runtime),
            // The real one logs what is not JSON, and goes on.
            Ok(Err(_)) => {}
            Err(_) => break,
        }
    }
    // As the real one does: turns that still run are given up.
    process::exit(0)
}

struct Server {
    startup: Startup,
    outbox: Outbox,
    is_initialized: AtomicBool,
    has_stopped_reading: AtomicBool,
    reading_pause_ms: AtomicU64,
    closes_input: AtomicBool,
    refusals_left: AtomicU64,
    turns_completed: AtomicU64,
    state: Mutex<State>,
    turns: TaskTracker,
}

#[derive(Default)]
struct State {
    threads: HashMap<String, Option<ActiveTurn>>,
    /// Requests of ours that the client has not answered.
    waiting: HashMap<u64, oneshot::Sender<Value>>,
    requests_sent: u64,
}

struct ActiveTurn {
    turn_id: String,
    interrupt: CancellationToken,
    ignores_interrupt: bool,
}

type Reply = Result<Value, (i32, String)>;

impl Server {
    fn receive(self: &Arc<Self>, message: &Value, runtime: &Runtime) {
        let method = message["method"].as_str();
        match (method, message.get("id")) {
            (Some("turn/start"), Some(id)) => self.start_turn(id, &message["params"], runtime),
            (Some("turn/interrupt"), Some(id)) => self.interrupt_turn(id, &message["params"]),
            (Some("initialize"), Some(_)) if self.startup.hang_in_initialize => {}
            (Some("thread/start"), Some(id)) => self.start_thread(id, &message["params"]),
            (Some(method), Some(id)) => self
                .outbox
                .reply(id, self.answer(method, &message["params"])),
            (Some("initialized"), None) => self.greet(),
            (Some(_), None) => {}
            (None, _) => self.take_reply(message),
        }
    }

    fn answer(&self, method: &str, params: &Value) -> Reply {
        match method {
            "initialize" => self.initialize(params),
            _ if !self.is_initialized.load(Ordering::Relaxed) => Err(invalid("Not initialized")),
            "thread/unsubscribe" => {
                let thread = self.state().threads.remove(text_of(&params["threadId"]));
                let status = if thread.is_some() {
                    "unsubscribed"
                } else {
                    "notLoaded"
                };
                Ok(json!({ "status": status }))
            }
            _ => Err(invalid(&format!(
                "Invalid request: unknown variant `{method}`, expected one of `initialize`, `thread/start`"
            ))),
        }
    }

    fn initialize(&self, params: &Value) -> Reply {
        if self.is_initialized.swap(true, Ordering::Relaxed) {
            return Err(invalid("Already initialized"));
        }
        self.outbox
            .mute(&params["capabilities"]["optOutNotificationMethods"]);
        let client = text_of(&params["clientInfo"]["name"]);
        let client_version = text_of(&params["clientInfo"]["version"]);
        let version = self.startup.version();
        Ok(json!({
            "userAgent": format!("{client}/{version} (Fake 1.0; x86_64) unknown ({client}; {client_version})"),
            "codexHome": startup::variable("CODEX_HOME"),
            "platformFamily": "unix",
            "platformOs": "linux",
        }))
    }

    /// What nobody asked for, and a client must live with.
    fn greet(&self) {
        let summary = "Codex could not find bubblewrap on PATH.";
        self.outbox.notify(
            "configWarning",
            json!({ "summary": summary, "details": null }),
        );
        self.outbox.notify(
            "remoteControl/status/changed",
            shapes::remote_control_disabled(),
        );
    }

    fn start_thread(&self, id: &Value, params: &Value) {
        if !self.is_initialized.load(Ordering::Relaxed) {
            return self.outbox.reply(id, Err(invalid("Not initialized")));
        }
        if self.startup.refuse_tools && params.get("dynamicTools").is_some() {
            return self
                .outbox
                .reply(id, Err(invalid("dynamic tool name is reserved")));
        }
        let is_refused = |left: u64| left.checked_sub(1);
        if self.startup.refuses_threads_now()
            || self
                .refusals_left
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, is_refused)
                .is_ok()
        {
            let refusal = (OVERLOADED, "Server overloaded; retry later.".to_owned());
            return self.outbox.reply(id, Err(refusal));
        }
        let thread_id = Uuid::now_v7().to_string();
        self.state().threads.insert(thread_id.clone(), None);
        let thread = shapes::thread(&thread_id, params, &self.startup.version());
        self.outbox
            .reply(id, Ok(shapes::thread_start_response(&thread, params)));
        self.outbox
            .notify("thread/started", json!({ "thread": thread }));
    }

    fn start_turn(self: &Arc<Self>, id: &Value, params: &Value, runtime: &Runtime) {
        let refusal = Script::of(&shapes::input_text(&params["input"])).ok();
        let refusal = refusal.as_ref().and_then(refused_start);
        if let Some((code, pause)) = refusal {
            let (server, id) = (Arc::clone(self), id.clone());
            self.turns.spawn_on(
                async move {
                    time::sleep(pause).await;
                    let refusal = (code, "not now".to_owned());
                    server.outbox.reply(&id, Err(refusal));
                },
                runtime.handle(),
            );
            return;
        }
        match self.open_turn(params) {
            Ok(turn) => {
                let shape = shapes::turn(&turn.id, "inProgress", &Value::Null, &[]);
                self.outbox.reply(id, Ok(json!({ "turn": shape })));
                self.turns.spawn_on(turn.run(), runtime.handle());
            }
            Err(refusal) => self.outbox.reply(id, Err(refusal)),
        }
    }

    fn open_turn(self: &Arc<Self>, params: &Value) -> Result<Turn, (i32, String)> {
        let thread_id = text_of(&params["threadId"]).to_owned();
        let text = shapes::input_text(&params["input"]);
        let script = Script::of(&text);
        let turn_id = Uuid::now_v7().to_string();
        let interrupt = CancellationToken::new();
        let ignores_interrupt = script
            .as_ref()
            .is_ok_and(|script| script.has(&Behaviour::IgnoreInterrupt));
        match self.state().threads.get_mut(&thread_id) {
            None => return Err(invalid(&format!("thread not found: {thread_id}"))),
            Some(Some(_)) => return Err(invalid("a turn is already running on this thread")),
            Some(idle) => {
                *idle = Some(ActiveTurn {
                    turn_id: turn_id.clone(),
                    interrupt: interrupt.clone(),
                    ignores_interrupt,
                });
            }
        }
        Ok(Turn {
            server: Arc::clone(self),
            thread_id,
            id: turn_id,
            text,
            script,
            interrupt,
        })
    }

    fn interrupt_turn(&self, id: &Value, params: &Value) {
        let state = self.state();
        let active = state
            .threads
            .get(text_of(&params["threadId"]))
            .and_then(Option::as_ref);
        match active.filter(|active| active.turn_id == text_of(&params["turnId"])) {
            Some(active) if active.ignores_interrupt => {}
            Some(active) => {
                self.outbox.reply(id, Ok(json!({})));
                active.interrupt.cancel();
            }
            None => self
                .outbox
                .reply(id, Err(invalid("no active turn to interrupt"))),
        }
    }

    /// Before `turn/completed` is written, so that the client may start the next turn on reading it.
    fn close_turn(&self, thread_id: &str) {
        if let Some(active) = self.state().threads.get_mut(thread_id) {
            *active = None;
        }
    }

    fn count_completed_turn(&self) {
        let completed = self.turns_completed.fetch_add(1, Ordering::Relaxed) + 1;
        if self.startup.crash_after_turns == Some(completed) {
            process::exit(CRASH_CODE);
        }
    }

    /// Asks the client, and gives its whole reply.
    async fn ask(&self, method: &str, params: Value) -> Value {
        let (sender, reply) = oneshot::channel();
        let id = {
            let mut state = self.state();
            let id = state.requests_sent;
            state.requests_sent += 1;
            state.waiting.insert(id, sender);
            id
        };
        self.outbox.request(id, method, &params);
        reply.await.unwrap_or_default()
    }

    fn take_reply(&self, message: &Value) {
        let waiting = message["id"]
            .as_u64()
            .and_then(|id| self.state().waiting.remove(&id));
        if let Some(waiting) = waiting {
            let _ = waiting.send(message.clone());
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn refused_start(script: &Script) -> Option<(i32, Duration)> {
    script.find(|behaviour| match behaviour {
        Behaviour::RefuseTurnStart { code, pause } => Some((*code, *pause)),
        _ => None,
    })
}

/// Whoever writes to it gets a broken pipe from now on.
fn close_input() -> io::Result<()> {
    let nothing = File::open("/dev/null")?;
    Ok(rustix::stdio::dup2_stdin(nothing)?)
}

fn invalid(message: &str) -> (i32, String) {
    (INVALID_REQUEST, message.to_owned())
}

fn text_of(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
