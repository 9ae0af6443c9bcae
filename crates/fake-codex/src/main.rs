//! A scripted Codex CLI for tests, for what the real one will not do on command. It never ships, needs
//! no model, and reaches no network.
//!
//! It speaks the dialect `app-server` of CLI 0.169.0: `initialize`, `initialized`, `thread/start`,
//! `turn/start`, `turn/interrupt`, `thread/unsubscribe`; and those that have a process for each turn,
//! with the question on standard input: `exec --json`, and a company's `chat [--stream] [--json]`. A turn
//! is answered with `echo: <text>` in three deltas, unless the text says otherwise.
//!
//! # Behaviours of a turn
//!
//! Chosen by words in the turn's text, so each request of a test chooses for itself. Several words
//! combine. An unknown one fails the turn with `badRequest`.
//!
//! | word | what it does |
//! |---|---|
//! | `fake:hang` | answers `turn/start`, then never anything; obeys an interrupt |
//! | `fake:hang-after-delta` | one delta, then never anything; obeys an interrupt |
//! | `fake:ignore-interrupt` | one delta, then never anything; `turn/interrupt` gets no answer |
//! | `fake:slow:<ms>` | a pause before each delta |
//! | `fake:count:<n>` | answers `tok0 tok1 …` in n deltas |
//! | `fake:big:<chars>` | answers that many `x`, 1000 a delta |
//! | `fake:no-delta` | the answer stands only in `item/completed` and `turn/completed` |
//! | `fake:probe:<what>` | tries something, see below; the answer is what came of it as JSON |
//! | `fake:reasoning` | a reasoning item before the answer |
//! | `fake:usage:<in>,<out>` | claims this usage |
//! | `fake:server-request:<method>` | sends that server request; the answer is the client's reply as compact JSON |
//! | `fake:malformed-calls` | calls a tool with parameters that break the schema; the answer is the list of replies |
//! | `fake:ask:<n>` | calls a tool that was not granted n times at once; the answer is how many of the calls were answered |
//! | `fake:refuse-turn-start:<code>:<ms>` | `turn/start` is refused with that JSON-RPC code, after a pause; there is no turn |
//! | `fake:fail:<info>` | ends as `failed` before any delta; `<info>` is a `codexErrorInfo`: `unauthorized`, `httpConnectionFailed:503` … |
//! | `fake:fail-after-delta:<info>` | the same, after one delta |
//! | `fake:error-then-complete` | an `error` that will be retried, then a normal end |
//! | `fake:wrong-thread` | a delta for a thread that nobody knows, then a normal end |
//! | `fake:dup-complete` | `turn/completed` twice |
//! | `fake:lines` | writes the lines of `lines`, then a normal end |
//! | `fake:garbage` | lines that are not JSON, not objects, or empty, then a normal end |
//! | `fake:bad-utf8` | a line with bytes that are not UTF-8, then a normal end |
//! | `fake:huge-line:<bytes>` | a notification of that length, then a normal end |
//! | `fake:flood-forever` | fills standard output as fast as it is read, and never ends |
//! | `fake:flood-stdout:<n>` | n notifications of an unknown method, then a normal end |
//! | `fake:flood-stderr:<MB>` | that much on standard error, then a normal end |
//! | `fake:slow-reading:<ms>` | waits before each line that it reads from now on |
//! | `fake:stop-reading` | never reads standard input again; the turn ends normally |
//! | `fake:close-input` | closes standard input at the next line and lives on; the turn ends normally |
//! | `fake:threads` | answers how many threads the process holds |
//! | `fake:crash` | exits with 3 after one delta |
//! | `fake:kill` | kills itself with `SIGKILL` after one delta |
//! | `fake:die-mid-line` | exits with 3 in the middle of its second delta's line |
//!
//! In the dialects with a process for each turn there are `hang`, `hang-after-delta`, `slow`, `count`,
//! `big`, `probe`, `reasoning`, `usage`, `fail`, `garbage`, `bad-utf8`, `huge-line`, the floods, `crash`,
//! `kill`, and beside them:
//!
//! | word | what it does |
//! |---|---|
//! | `fake:exit:<code>` | exits with that code, after a normal end or a failure |
//! | `fake:linger` | says that the turn is over and lives on |
//! | `fake:no-end` | answers, and exits without saying that the turn is over |
//!
//! # Probes
//!
//! What a process finds out about its sandbox: `{"ok": …}`, or `{"error": …}` in the system's words.
//!
//! | probe | what it tries |
//! |---|---|
//! | `environment` | its environment |
//! | `read:<path>`, `list:<path>`, `write:<path>` | a file, the names in a directory, a new file |
//! | `connect:<address>`, `abstract:<name>` | a TCP listener, an abstract Unix socket |
//! | `resolve:<name>` | the addresses of a name |
//! | `processes` | the command lines of all processes that it sees |
//! | `memory:<MB>` | allocates and touches that much |
//! | `threads:<n>` | how many of n threads can be started |
//! | `grow:<path>:<MB>` | how many megabytes of a file can be written |
//! | `leave:<how>` | starts a process that never ends and ignores `SIGINT` and `SIGTERM`: in its group (`group`), in a session of its own (`setsid`), with another parent too (`double-fork`), or with that and an empty environment (`double-fork-bare`); its process id |
//!
//! # Behaviours of a process
//!
//! Read from `fake-codex.toml` in the directory of `argv[0]`, symbolic links not followed: a test links
//! or copies the binary into a directory of its own. (The gateway clears environment and arguments, so
//! neither can carry them.) Without the file the process behaves. All keys are optional:
//!
//! | key | what it does |
//! |---|---|
//! | `version = "0.1.0"` | what it says it is; the variable `FAKE_CODEX_VERSION` goes before |
//! | `commands = ["chat"]` | the commands that its `--help` names; else `exec` and `app-server` |
//! | `chat_options = ["--stream"]` | the options that its `chat --help` names; else `--stream` and `--json` |
//! | `record = "/path"` | appends a JSON line for each start: `argv`, `environment`, `cwd`, `descriptors` (number to target), `pid`, `grandchild` |
//! | `exit_at_start = 7` | exits with that code at once |
//! | `slow_start_ms = 500` | waits before it reads anything |
//! | `hang_in_initialize = true` | never answers `initialize` |
//! | `refuse_tools = true` | refuses each `thread/start` that grants tools, with -32600 |
//! | `refuse_thread_start = 2` | refuses the first n `thread/start` with -32001 |
//! | `refuse_thread_start_while = "/path"` | refuses `thread/start` with -32001 while that file exists |
//! | `crash_after_turns = 3` | exits with 3 right after the n-th `turn/completed` |
//! | `ignore_signals = true` | ignores `SIGINT` and `SIGTERM`, and so does its grandchild |
//! | `lines = ["…"]` | what `fake:lines` writes to standard output and error; `@THREAD@` and `@TURN@` stand for the ids |
//! | `leave_grandchild = true` | starts a process in its own group that holds its pipes and never ends |
//!
//! `--version` and `--help` answer like the real one, whatever the file says about start-up.

mod app_server;
mod command_line;
mod grandchild;
mod one_turn;
mod probe;
mod record;
mod script;
mod startup;

use std::process::ExitCode;

use command_line::Command;
use startup::Startup;

fn main() -> ExitCode {
    run().unwrap_or_else(|problem| command_line::refuse(&problem))
}

fn run() -> Result<ExitCode, String> {
    let startup = Startup::beside_program()?;
    let command = Command::from_arguments();
    if let Command::Grandchild(role) = command {
        return grandchild::linger(startup, role).map_err(|error| error.to_string());
    }
    let grandchild = match command {
        Command::AppServer | Command::Exec | Command::Chat { .. } => startup
            .leave_grandchild
            .then(grandchild::leave_in_group)
            .transpose()
            .map_err(|error| error.to_string())?,
        _ => None,
    };
    record::append(&startup, grandchild)?;
    Ok(match command {
        Command::AppServer => app_server::serve(startup),
        Command::Exec => one_turn::run(&startup, one_turn::Dialect::Exec),
        Command::Chat { stream, json } => {
            one_turn::run(&startup, one_turn::Dialect::Chat { stream, json })
        }
        other => other.print(&startup),
    })
}
