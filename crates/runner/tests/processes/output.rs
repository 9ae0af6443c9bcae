//! What comes back from a child, and what goes in: lines in bounded memory, and no pipe that blocks.

use std::time::Duration;

use runner::{Block, Interrupt, Limits, Line, OutputLimit, Stdin, spawn_joined};
use tokio::time;
use tokio_util::task::TaskTracker;

use crate::support::{
    LIMITS, PATIENCE, exit_of, next_pid, next_text, rest_of, shell, start, start_within,
};

async fn lines_of(script: &str, max_line_bytes: usize) -> Vec<Line> {
    let limits = Limits {
        max_line_bytes,
        ..LIMITS
    };
    let mut child = start_within(shell(script), limits);
    let mut lines = Vec::new();
    while let Some(line) = time::timeout(PATIENCE, child.stdout.next()).await.unwrap() {
        lines.push(line);
    }
    assert_eq!(child.stdout.next().await, None);
    lines
}

fn text(text: &[u8]) -> Line {
    Line::Text(text.to_vec())
}

#[tokio::test]
async fn standard_input_is_written_whole_and_closed() {
    let mut spec = shell("cat");
    let lines: Vec<String> = (0..100_000)
        .map(|number| format!("line {number}"))
        .collect();
    spec.stdin = Stdin::Bytes(lines.join("\n").into_bytes());
    let child = start(spec);
    assert!(child.stdin.is_none());
    assert_eq!(rest_of(child.stdout).await, lines);
}

#[tokio::test]
async fn a_child_that_does_not_read_its_input_ends_all_the_same() {
    let mut spec = shell("exit 4");
    spec.stdin = Stdin::Bytes(vec![b'x'; 1 << 20]);
    assert_eq!(exit_of(&start(spec)).await.code, Some(4));
}

#[tokio::test]
async fn a_line_over_the_limit_is_counted_and_the_next_one_arrives() {
    let script = "echo ok; head -c 3000000 /dev/zero; echo; echo after; printf 'no newline'";
    let expected = [
        text(b"ok"),
        Line::TooLong { bytes: 3_000_000 },
        text(b"after"),
        text(b"no newline"),
    ];
    assert_eq!(lines_of(script, 1000).await, expected);
}

#[tokio::test]
async fn the_limit_itself_is_still_a_line() {
    let expected = [
        text(b"1234"),
        Line::TooLong { bytes: 5 },
        text(b""),
        Line::TooLong { bytes: 6 },
    ];
    assert_eq!(
        lines_of(r"printf '1234\n12345\n\n123456'", 4).await,
        expected
    );
}

#[tokio::test]
async fn bytes_that_are_not_utf8_arrive_as_they_are() {
    assert_eq!(
        lines_of(r"printf '\377\000\376\n'", 100).await,
        [text(b"\xff\0\xfe")]
    );
}

#[tokio::test]
async fn a_flood_on_standard_error_blocks_nothing_and_is_counted() {
    let mut child = start(shell(
        "head -c 20000000 /dev/zero >&2; echo >&2; printf 'the end' >&2; echo done",
    ));
    assert_eq!(next_text(&mut child.stdout).await.as_deref(), Some("done"));
    let exit = exit_of(&child).await;
    assert_eq!((exit.stderr_bytes, exit.stderr_lines), (20_000_008, 1));
    let tail = child.handle.stderr_tail();
    assert_eq!(tail.len(), 4096);
    assert!(tail.ends_with(b"\0\nthe end"));
}

#[tokio::test]
async fn joined_outputs_come_in_the_order_of_their_writing() {
    let script = "echo one; echo two >&2; echo three; printf 'four' >&2; exit 3";
    let child = spawn_joined(shell(script), LIMITS, None, &TaskTracker::new()).unwrap();
    let handle = child.handle.clone();
    assert_eq!(rest_of(child.stdout).await, ["one", "two", "three", "four"]);
    let exit = time::timeout(PATIENCE, handle.exited()).await.unwrap();
    assert_eq!((exit.code, exit.stderr_bytes), (Some(3), 0));
}

#[tokio::test]
async fn output_that_nobody_wants_blocks_nothing() {
    let child = start(shell("head -c 20000000 /dev/zero; exit 3"));
    drop(child.stdout);
    let exit = time::timeout(PATIENCE, child.handle.exited())
        .await
        .unwrap();
    assert_eq!(exit.code, Some(3));
}

#[tokio::test]
async fn a_descendant_that_left_the_group_does_not_hold_the_output_open() {
    let mut spec = shell("setsid sh -c 'echo $$; exec sleep 1000' & read -r _; echo last");
    spec.stdin = Stdin::Open;
    let mut child = start(spec);
    let escaped = next_pid(&mut child.stdout).await;
    drop(child.stdin.take());
    let rest = rest_of(child.stdout).await;
    let escaped = rustix::process::Pid::from_raw(escaped.try_into().unwrap()).unwrap();
    rustix::process::kill_process(escaped, rustix::process::Signal::KILL).unwrap();
    assert_eq!(rest, ["last"]);
}

#[tokio::test]
async fn a_write_that_is_dropped_half_way_leaves_no_half_line() {
    let mut spec = shell("read -r first; echo ready; cat");
    spec.stdin = Stdin::Open;
    let mut child = start(spec);
    let mut stdin = child.stdin.take().unwrap();
    let (long, short) = ("x".repeat(500_000), "short");
    stdin.write_line(b"first").await.unwrap();
    let _ = time::timeout(Duration::ZERO, stdin.write_line(long.as_bytes())).await;
    let writer = async {
        stdin.write_line(short.as_bytes()).await.unwrap();
        drop(stdin);
    };
    let (lines, ()) = tokio::join!(rest_of(child.stdout), writer);
    assert_eq!(lines, ["ready", &long, short]);
}

#[tokio::test]
async fn a_write_to_a_child_that_stopped_reading_ends_with_it() {
    let mut spec = shell("echo ready; sleep 1000");
    spec.stdin = Stdin::Open;
    let mut child = start(spec);
    assert_eq!(next_text(&mut child.stdout).await.as_deref(), Some("ready"));
    let mut stdin = child.stdin.take().unwrap();
    let endless = vec![b'x'; 1 << 20];
    let (written, _) = tokio::join!(
        stdin.write_line(&endless),
        child.handle.shutdown(Interrupt::None)
    );
    assert_eq!(written.unwrap_err().kind(), std::io::ErrorKind::BrokenPipe);
}

#[tokio::test]
async fn pieces_come_as_they_are_written_without_waiting_for_a_line() {
    let mut child = start(shell("printf 'no newline'; sleep 60"));
    let first = time::timeout(PATIENCE, child.stdout.next_piece()).await;
    assert_eq!(first.unwrap().as_deref(), Some(&b"no newline"[..]));
    child.handle.interrupt();
    assert_eq!(child.stdout.next_piece().await, None);
}

#[tokio::test]
async fn what_comes_next_can_be_looked_at_before_it_is_taken() {
    let mut child = start(shell("printf '{\"a\":1}\\nrest'"));
    let looked = time::timeout(PATIENCE, child.stdout.peek()).await.unwrap();
    assert_eq!(looked, Some(b'{'));
    assert_eq!(child.stdout.next().await, Some(text(b"{\"a\":1}")));
    assert_eq!(child.stdout.peek().await, Some(b'r'));
    assert_eq!(
        child.stdout.next_piece().await.as_deref(),
        Some(&b"rest"[..])
    );
    assert_eq!(child.stdout.peek().await, None);
    assert_eq!(child.stdout.next_piece().await, None);
}

/// Of lines that are each in its place, whatever the blocks: short ones, one over the limit, the last.
#[tokio::test]
async fn blocks_are_the_lines_and_nothing_else() {
    let script = r"seq 1 50000; head -c 3000000 /dev/zero; printf '\nafter\nno newline'";
    for max_line_bytes in [1000, 1 << 20] {
        let limits = Limits {
            max_line_bytes,
            ..LIMITS
        };
        let mut child = start_within(shell(script), limits);
        let mut text = Vec::new();
        let mut blocks = 0;
        while let Some(block) = time::timeout(PATIENCE, child.stdout.next_block())
            .await
            .unwrap()
        {
            blocks += 1;
            match block {
                Block::Lines(lines) => {
                    assert_eq!(lines.last(), Some(&b'\n'));
                    text.extend(lines);
                }
                Block::TooLong { bytes } => text.extend(format!("<{bytes}>\n").into_bytes()),
            }
        }
        let numbers: Vec<String> = (1..=50_000).map(|number| number.to_string()).collect();
        let numbers = numbers.join("\n") + "\n";
        let expected = format!("{numbers}<3000000>\nafter\nno newline\n");
        assert_eq!(String::from_utf8(text).unwrap(), expected);
        assert!(max_line_bytes < 1 << 16 || blocks < 5000, "{blocks}");
    }
}

/// By its standard output or its standard error, read or thrown away, in bytes or in lines.
#[tokio::test]
async fn a_child_that_writes_without_end_is_ended() {
    let scripts = [
        "yes",
        "yes >&2",
        "head -c 1000000000 /dev/zero; sleep 1000",
        "trap '' INT TERM; while :; do echo; done",
    ];
    for (script, is_read) in scripts
        .into_iter()
        .flat_map(|one| [(one, true), (one, false)])
    {
        let limits = Limits {
            output: OutputLimit {
                bytes: 1 << 20,
                lines: 10_000,
            },
            ..LIMITS
        };
        let mut child = start_within(shell(script), limits);
        if is_read {
            let read = async { while child.stdout.next_block().await.is_some() {} };
            time::timeout(PATIENCE, read).await.unwrap();
        } else {
            drop(child.stdout);
        }
        let exit = time::timeout(PATIENCE, child.handle.exited());
        let exit = exit.await.unwrap();
        assert!(exit.output_exceeded, "{script}: {exit:?}");
        assert_eq!(exit.survivors, 0, "{script}");
    }
}

#[tokio::test]
async fn a_child_that_works_on_has_its_limit_for_each_piece_of_work() {
    let limits = Limits {
        output: OutputLimit {
            bytes: 1 << 20,
            lines: 5,
        },
        ..LIMITS
    };
    let mut spec = shell("while read -r _; do seq 1 4; done");
    spec.stdin = Stdin::Open;
    let mut child = start_within(spec, limits);
    let mut stdin = child.stdin.take().unwrap();
    for _ in 0..4 {
        child.handle.reset_output();
        stdin.write_line(b"go").await.unwrap();
        for number in 1..=4 {
            let number = number.to_string();
            assert_eq!(next_text(&mut child.stdout).await, Some(number));
        }
    }
    drop(stdin);
    let exit = exit_of(&child).await;
    assert_eq!((exit.code, exit.output_exceeded), (Some(0), false));
}

/// On one thread, beside a child that writes lines without end, another task has its turn again and again.
#[tokio::test]
async fn a_child_that_writes_without_end_leaves_the_thread_to_others() {
    let mut child = start(shell("yes a"));
    let mut turns = 0_u32;
    let reading = async {
        let mut lines = 0_u32;
        while lines < 1_000_000 && child.stdout.next().await.is_some() {
            lines += 1;
        }
        lines
    };
    // Each turn of it costs nothing, so it has as many as it is given.
    let other = async {
        loop {
            tokio::task::yield_now().await;
            turns += 1;
        }
    };
    let read = tokio::select! {
        read = reading => read,
        () = other => 0,
    };
    assert_eq!(read, 1_000_000);
    // A task may do 128 units of work before it lets the others go first.
    assert!(turns > read / 256, "{turns} turns");
}
