//! What programs expect to find on every system, and find in the sandbox.

use crate::support::skilled::Skilled;
use crate::support::test_app::TestApp;
use crate::support::world::sandbox_is_usable;

#[tokio::test]
async fn names_and_directories_that_test_runners_ask_for_are_there() {
    if !sandbox_is_usable() {
        return;
    }
    let script = "getent hosts localhost >/dev/null && echo localhost; \
        getent hosts $(hostname) >/dev/null && echo hostname; \
        id -un; id -gn; getent passwd $(id -u) | cut -d: -f6; cd ~ && pwd; \
        for d in /tmp /dev/shm $HOME $TMPDIR; do touch $d/x && echo wrote $d; done; \
        date +%Z; locale charmap 2>/dev/null; getent hosts example.org || echo unknown; \
        echo out > /dev/stdout; test -e /etc/resolv.conf || echo alone";
    let skilled = Skilled::with_script(script, "", &[]).await;
    let result = skilled.probe().await;
    insta::assert_snapshot!(result["output"].as_str().unwrap());
    skilled.stop().await;
}

/// Threads of a pool of processes share semaphores and memory, which are files of `/dev/shm`.
#[tokio::test]
async fn a_codex_process_finds_the_same() {
    if !sandbox_is_usable() {
        return;
    }
    let app = TestApp::with_fake_codex("", &[]).await;
    let hosts = app.ask("fake:probe:read:/etc/hosts").await.chat();
    assert!(hosts.contains("localhost"), "{hosts}");
    let users = app.ask("fake:probe:read:/etc/passwd").await.chat();
    assert!(users.contains(":10001:"), "{users}");
    app.stop().await;
}
