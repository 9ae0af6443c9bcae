//! How a child ends: by itself, asked, forced, forgotten; and that nothing of it is left.

use std::time::Duration;

use runner::{Deadline, Exit, Interrupt, Limits, Signal, Stdin, spawn};
use tokio::time;
use tokio_util::task::TaskTracker;

use crate::support::{
    LIMITS, PATIENCE, exit_of, is_alive, next_pid, next_text, shell, start, start_within,
};

/// Says its number, then lives on and ignores what can be ignored.
const STUBBORN: &str = "trap '' INT TERM; echo $$; while :; do sleep 1000; done";

const SHORT_GRACE: Limits = Limits {
    kill_grace: Duration::from_millis(50),
    ..LIMITS
};

fn killed() -> Exit {
    Exit {
        signal: Some(9),
        signals_sent: vec![Signal::Kill],
        ..Exit::default()
    }
}

#[tokio::test]
async fn all_who_wait_learn_the_exit_code() {
    let mut spec = shell("read -r _; exit 7");
    spec.stdin = Stdin::Open;
    let mut child = start(spec);
    assert_eq!(child.handle.exit(), None);
    let waiters = TaskTracker::new();
    let waiting: Vec<_> = (0..50)
        .map(|_| waiters.spawn(child.handle.exited()))
        .collect();
    drop(child.stdin.take());
    let expected = Exit {
        code: Some(7),
        ..Exit::default()
    };
    for waiter in waiting {
        assert_eq!(
            time::timeout(PATIENCE, waiter).await.unwrap().unwrap(),
            expected
        );
    }
    assert_eq!(exit_of(&child).await, expected);
    assert_eq!(child.handle.exit(), Some(expected));
}

#[tokio::test]
async fn death_by_a_signal_is_told_from_an_exit() {
    let exit = exit_of(&start(shell("kill -9 $$"))).await;
    assert_eq!((exit.code, exit.signal), (None, Some(9)));
    assert_eq!(exit.signals_sent, []);
}

#[tokio::test]
async fn an_interrupt_that_is_obeyed_needs_no_kill() {
    let mut child = start(shell(
        "trap 'exit 5' INT; echo ready; while :; do sleep 0.05; done",
    ));
    next_text(&mut child.stdout).await;
    let exit = child.handle.shutdown(Interrupt::Signal).await;
    assert_eq!(
        (exit.code, exit.signals_sent),
        (Some(5), vec![Signal::Interrupt])
    );
}

#[tokio::test]
async fn an_interrupt_alone_starts_no_grace() {
    let mut child = start_within(
        shell("trap 'echo asked' INT; echo ready; while :; do sleep 0.05; done"),
        SHORT_GRACE,
    );
    next_text(&mut child.stdout).await;
    for _ in 0..2 {
        child.handle.interrupt();
        assert_eq!(next_text(&mut child.stdout).await.as_deref(), Some("asked"));
    }
    assert!(is_alive(child.handle.pid()));
}

#[tokio::test]
async fn who_ignores_the_interrupt_is_killed_after_the_grace() {
    let mut child = start_within(shell(STUBBORN), SHORT_GRACE);
    let pid = next_pid(&mut child.stdout).await;
    let started = time::Instant::now();
    let exit = child.handle.shutdown(Interrupt::Signal).await;
    assert!(started.elapsed() >= SHORT_GRACE.kill_grace);
    let expected = Exit {
        signals_sent: vec![Signal::Interrupt, Signal::Kill],
        ..killed()
    };
    assert_eq!(exit, expected);
    assert!(!is_alive(pid));
}

#[tokio::test]
async fn who_was_asked_by_closing_its_input_gets_no_signal() {
    let mut spec = shell("cat");
    spec.stdin = Stdin::Open;
    let mut child = start(spec);
    drop(child.stdin.take());
    let exit = child.handle.shutdown(Interrupt::AlreadyAsked).await;
    assert!(exit.is_success());
    assert_eq!(exit.signals_sent, []);
}

#[tokio::test]
async fn a_shutdown_that_nobody_waits_for_goes_on_and_can_be_hastened() {
    let mut child = start(shell(STUBBORN));
    let pid = next_pid(&mut child.stdout).await;
    let gentle = time::timeout(Duration::ZERO, child.handle.shutdown(Interrupt::Signal)).await;
    assert!(gentle.is_err());
    // The grace of ten seconds is running now; this ends it.
    let hastened = time::timeout(
        Duration::from_secs(5),
        child.handle.shutdown(Interrupt::None),
    );
    assert_eq!(hastened.await.unwrap().signal, Some(9));
    assert!(!is_alive(pid));
}

#[tokio::test]
async fn what_the_leader_left_behind_is_killed_and_counted() {
    let mut child = start(shell("sleep 1000 & echo $!; sleep 1000 & echo $!; exit 0"));
    let left = [
        next_pid(&mut child.stdout).await,
        next_pid(&mut child.stdout).await,
    ];
    let exit = exit_of(&child).await;
    assert_eq!(
        (exit.code, exit.left_behind, exit.survivors),
        (Some(0), 2, 0)
    );
    assert_eq!(exit.signals_sent, [Signal::Kill]);
    assert!(!left.into_iter().any(is_alive));
}

#[tokio::test]
async fn dropping_the_child_kills_the_whole_group() {
    let tracker = TaskTracker::new();
    let script = format!("sleep 1000 & echo $!; {STUBBORN}");
    let mut child = spawn(shell(&script), LIMITS, None, &tracker).unwrap();
    let pids = [
        next_pid(&mut child.stdout).await,
        next_pid(&mut child.stdout).await,
    ];
    let clone = child.handle.clone();
    let exited = clone.exited();
    drop(child);
    assert!(
        pids.into_iter().all(is_alive),
        "a clone of the handle still holds it"
    );
    drop(clone);
    assert_eq!(time::timeout(PATIENCE, exited).await.unwrap(), killed());
    tracker.close();
    time::timeout(PATIENCE, tracker.wait()).await.unwrap();
    assert!(!pids.into_iter().any(is_alive));
}

#[tokio::test]
async fn the_deadline_interrupts_and_then_kills() {
    let deadline = Deadline::after(Duration::from_millis(700));
    let mut child = spawn(
        shell(STUBBORN),
        SHORT_GRACE,
        Some(deadline),
        &TaskTracker::new(),
    )
    .unwrap();
    let pid = next_pid(&mut child.stdout).await;
    let expected = Exit {
        deadline_exceeded: true,
        signals_sent: vec![Signal::Interrupt, Signal::Kill],
        ..killed()
    };
    assert_eq!(exit_of(&child).await, expected);
    assert!(deadline.is_past());
    assert!(!is_alive(pid));
}

#[tokio::test]
async fn memory_is_known_while_it_lives() {
    let mut child = start(shell(STUBBORN));
    next_pid(&mut child.stdout).await;
    let rss_bytes = child.handle.rss_bytes().unwrap();
    assert!((100_000..100_000_000).contains(&rss_bytes), "{rss_bytes}");
    child.handle.shutdown(Interrupt::None).await;
    assert_eq!(child.handle.rss_bytes(), None);
}

#[test]
fn the_end_of_the_runtime_is_the_end_of_its_children() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let (_child, pids) = runtime.block_on(async {
        let mut child = start(shell(&format!("sleep 1000 & echo $!; {STUBBORN}")));
        let pids = [
            next_pid(&mut child.stdout).await,
            next_pid(&mut child.stdout).await,
        ];
        (child, pids)
    });
    drop(runtime);
    let give_up_at = std::time::Instant::now() + PATIENCE;
    while pids.into_iter().any(is_alive) {
        assert!(std::time::Instant::now() < give_up_at);
        std::thread::yield_now();
    }
}

#[tokio::test]
async fn many_short_children_at_once_each_end_once() {
    let tracker = TaskTracker::new();
    let children: Vec<_> = (0..40)
        .map(|number| {
            (
                number,
                spawn(shell(&format!("exit {number}")), LIMITS, None, &tracker).unwrap(),
            )
        })
        .collect();
    for (number, child) in &children {
        assert_eq!(exit_of(child).await.code, Some(*number));
    }
    drop(children);
    tracker.close();
    time::timeout(PATIENCE, tracker.wait()).await.unwrap();
}
