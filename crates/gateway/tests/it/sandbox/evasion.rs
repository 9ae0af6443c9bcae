//! What would lead past a sandbox's limits, or to root of the host, tried from inside. Each proof is run
//! without the sandbox too, and must fail there: else it would prove nothing.

use std::fs;
use std::path::Path;

use serde_json::json;

use crate::support::skilled::{OFF, Skilled};
use crate::support::test_app::TestApp;
use crate::support::world::sandbox_is_usable;

/// With an empty read-only workspace, inside and outside; the lines that the script prints.
async fn inside_and_outside(script: &str, more: &str) -> [String; 2] {
    let mut outputs = Vec::new();
    for settings in [&[][..], &[OFF]] {
        let skilled = Skilled::with_script(script, more, settings).await;
        let result = skilled.probe().await;
        outputs.push(result["output"].as_str().unwrap_or_default().to_owned());
        skilled.stop().await;
    }
    outputs.try_into().unwrap()
}

/// They are opened for writing and not written to: outside, that would be this machine's.
#[tokio::test]
async fn the_kernels_files_cannot_be_written_to() {
    if !sandbox_is_usable() {
        return;
    }
    let script = "for f in /proc/sys/kernel/core_pattern /proc/sys/fs/suid_dumpable \
        /proc/sys/vm/overcommit_memory /proc/sys/net/core/somaxconn /proc/sysrq-trigger \
        /proc/irq/default_smp_affinity /proc/self/oom_score_adj /proc/self/comm /sys/kernel/uevent_helper; \
        do ( : >> $f ) 2>/dev/null && echo GOT $f; done; \
        find /proc/sys /proc/irq /proc/bus /proc/fs -type f -writable 2>/dev/null | head -n 3; \
        test -d /proc/1/ns && echo done";
    let [inside, outside] = inside_and_outside(script, "").await;
    assert_eq!(inside.trim(), "done");
    assert!(outside.contains("GOT /proc/self/comm"), "{outside}");
    if rustix::process::geteuid().is_root() {
        assert!(
            outside.contains("GOT /proc/sys/kernel/core_pattern"),
            "{outside}"
        );
    }
}

#[tokio::test]
async fn what_tells_of_the_host_or_is_a_key_cannot_be_read() {
    if !sandbox_is_usable() {
        return;
    }
    let script = "for f in /proc/kcore /proc/kmsg /proc/keys /proc/timer_list /proc/kallsyms /proc/iomem \
        /proc/interrupts; do head -c 1 $f 2>/dev/null | grep -q . && echo GOT $f; done; \
        for d in /proc/bus /proc/fs /proc/irq /proc/scsi /proc/acpi /proc/asound /proc/driver; \
        do ls -A $d 2>/dev/null | grep -q . && echo GOT $d; done; \
        for d in /etc/ssl/private /etc/pki/tls/private /sys /root; do test -e $d && echo GOT $d; done; \
        cat /etc/ssl/certs/ca-certificates.crt 2>/dev/null | grep -c PRIVATE; echo done";
    let [inside, outside] = inside_and_outside(script, "").await;
    assert_eq!(inside.replace("0\n", ""), "done\n", "{inside}");
    assert!(outside.contains("GOT /sys"), "{outside}");
}

/// As the host sees it, whoever the gateway is.
#[tokio::test]
async fn a_program_is_never_root_of_the_host() {
    if !sandbox_is_usable() {
        return;
    }
    let app = TestApp::with_fake_codex("", &[]).await;
    for pid in app.pids().await {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        for name in ["Uid:", "Gid:", "Groups:"] {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let numbers: Vec<_> = line.unwrap().split_ascii_whitespace().collect();
            assert!(!numbers.contains(&"0"), "{name} {numbers:?}");
        }
        for name in ["CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:"] {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            assert_eq!(line.unwrap().trim(), "0000000000000000", "{name}");
        }
        let map = fs::read_to_string(format!("/proc/{pid}/uid_map")).unwrap();
        assert_eq!(map.lines().count(), 1, "{map}");
    }
    app.stop().await;
}

#[tokio::test]
async fn what_belongs_to_root_alone_is_not_shown_to_a_program() {
    if !sandbox_is_usable() || !rustix::process::geteuid().is_root() {
        eprintln!("skipped: files of root, which only root can make");
        return;
    }
    let toolchain = tempfile::tempdir().unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode;
    fs::set_permissions(toolchain.path(), mode(0o755)).unwrap();
    for (name, bits) in [("open", 0o644), ("closed", 0o600)] {
        fs::write(toolchain.path().join(name), name).unwrap();
        fs::set_permissions(toolchain.path().join(name), mode(bits)).unwrap();
    }
    let shown = toolchain.path().to_str().unwrap();
    let script = format!("cd {shown}; cat open; cat closed 2>/dev/null || echo ,refused");
    let settings = [("PORTCULLIS_SKILL_READ_PATHS", shown)];
    let skilled = Skilled::with_script(&script, "", &settings).await;
    assert_eq!(skilled.probe().await["output"], "open,refused\n");
    skilled.stop().await;
}

/// A workspace that its owner has closed to everybody else (umask 077, `mktemp -d`) is one all the same.
#[tokio::test]
async fn a_workspace_that_is_closed_to_others_can_be_worked_on() {
    if !sandbox_is_usable() {
        return;
    }
    for mode in ["read-only", "private-copy"] {
        let more = format!("workspace = \"{mode}\"\n");
        let script = "cat a.txt sub/b.txt; touch new 2>/dev/null && echo written";
        let skilled = Skilled::with_script(script, &more, &[]).await;
        skilled.write("a.txt", "a\n");
        skilled.write("sub/b.txt", "b\n");
        for (place, bits) in [("a.txt", 0o600), ("sub", 0o700), ("", 0o700)] {
            let bits = std::os::unix::fs::PermissionsExt::from_mode(bits);
            fs::set_permissions(skilled.workspace.join(place), bits).unwrap();
        }
        let written = if mode == "read-only" { "" } else { "written\n" };
        let result = skilled.probe().await;
        assert_eq!(
            result["output"],
            format!("a\nb\n{written}"),
            "{mode}: {result}"
        );
        assert!(!skilled.workspace.join("new").exists());
        skilled.stop().await;
    }
}

/// Each takes some of the kernel's memory, and none of the bytes that are limited.
#[tokio::test]
async fn empty_files_count_as_scratch() {
    if !sandbox_is_usable() {
        return;
    }
    let script = "for d in /tmp $HOME /dev/shm; do i=0; while [ $i -lt 3000 ]; do \
        true > $d/f$i || break; i=$((i+1)); done 2>/dev/null; echo $d $i; rm -f $d/f* 2>/dev/null; done";
    let more = "[limits]\nscratch_mb = 4\n";
    let skilled = Skilled::with_script(script, more, &[]).await;
    let result = skilled.probe().await;
    let output = result["output"].as_str().unwrap();
    let counts: Vec<u32> = output
        .lines()
        .map(|line| line.rsplit_once(' ').unwrap().1.parse().unwrap())
        .collect();
    assert_eq!(counts.len(), 3, "{result}");
    assert!(
        counts.iter().all(|count| (900..1024).contains(count)),
        "{output}"
    );
    skilled.stop().await;
}

/// Each directory has the whole limit for itself, and all of them together have no more.
#[tokio::test]
async fn what_several_directories_hold_is_limited_together() {
    if !sandbox_is_usable() {
        return;
    }
    let empty = "true > $d/f$i";
    let filled = "head -c 8000 /dev/zero > $d/f$i";
    for (write, count) in [(empty, 800), (filled, 200)] {
        let script = format!(
            "for d in /tmp $HOME /dev/shm; do i=0; while [ $i -lt {count} ]; do \
             {write}; i=$((i+1)); done; done; sleep 60"
        );
        let more = "deadline_sec = 50\n[limits]\nscratch_mb = 4\n";
        let skilled = Skilled::with_script(&script, more, &[]).await;
        let result = skilled.probe().await;
        assert_eq!(result["scratch_exceeded"], json!(true), "{result}");
        skilled.stop().await;
    }
}

#[tokio::test]
async fn empty_files_in_a_copy_count_as_scratch() {
    if !sandbox_is_usable() {
        return;
    }
    let script = "i=0; while true > f$i; do i=$((i+1)); done 2>/dev/null; sleep 60";
    let more = "workspace = \"private-copy\"\n[limits]\nscratch_mb = 4\n";
    let skilled = Skilled::with_script(script, more, &[]).await;
    let result = skilled.probe().await;
    assert_eq!(
        (&result["status"], &result["scratch_exceeded"]),
        (&json!("failed"), &json!(true)),
        "{result}"
    );
    skilled.stop().await;
}

/// No limit of a process counts it, however it is come by.
#[tokio::test]
async fn memory_that_is_mapped_to_be_shared_is_limited() {
    if !sandbox_is_usable() || !cfg!(target_arch = "x86_64") {
        return;
    }
    for descriptor in ["-1", "fileno($zero)"] {
        let flags = if descriptor == "-1" { "0x21" } else { "0x01" };
        let script = format!(
            "exec perl -e 'open(my $zero, \"+<\", \"/dev/zero\"); my $size = 300 << 20; \
             my $at = syscall(9, 0, $size, 3, {flags}, {descriptor}, 0); \
             syscall(0, fileno($zero), $at, $size); print \"kept\n\"; $| = 1; sleep 30'"
        );
        let more = "deadline_sec = 20\n[limits]\nmemory_mb = 64\nscratch_mb = 4\n";
        let skilled = Skilled::with_script(&script, more, &[]).await;
        let result = skilled.probe().await;
        assert_eq!(result["scratch_exceeded"], json!(true), "{result}");
        skilled.stop().await;
    }
}

/// Memory that is no process's own, the kernel's machinery, and a socket that no namespace holds.
#[tokio::test]
async fn system_calls_that_lead_past_the_limits_are_refused() {
    if !sandbox_is_usable() || !Path::new("/usr/bin/perl").exists() {
        return;
    }
    let script = r#"exec perl -e '
        my %calls = $^O eq "linux" && `uname -m` =~ /x86_64/
            ? (memfd_create => [319, "x", 0], io_uring_setup => [425, 1, "\0" x 120],
               keyctl => [250, 0, -2, 1], bpf => [321, 0, "\0" x 64, 64], unshare => [272, 0x10000000],
               memfd_secret => [447, 0], x32 => [0x40000000 | 319, "x", 0])
            : (memfd_create => [279, "x", 0]);
        for my $name (sort keys %calls) {
            my $outcome = syscall(shift @{$calls{$name}}, @{$calls{$name}});
            print "GOT $name\n" if $outcome >= 0 || $! != 38;
        }
        for my $got (["shm", shmget(0, 4096, 0600)], ["msg", msgget(0, 0600)], ["sem", semget(0, 1, 0600)]) {
            print "GOT $got->[0]\n" if defined $got->[1];
        }
        print "GOT vsock\n" if socket(my $s, 40, 1, 0);
        print "GOT alg\n" if socket(my $t, 38, 5, 0);
        print "inet\n" if socket(my $u, 2, 1, 0);
        print "unix\n" if socket(my $v, 1, 1, 0);
    '"#;
    let [inside, outside] = inside_and_outside(script, "").await;
    assert_eq!(inside, "inet\nunix\n");
    assert!(
        outside.contains("GOT shm") && outside.contains("GOT memfd_create"),
        "{outside}"
    );
}

/// What is meant for the program says nothing to what makes its sandbox.
#[tokio::test]
async fn the_programs_environment_is_its_own() {
    if !sandbox_is_usable() {
        return;
    }
    let more =
        "[run.environment]\nLD_LIBRARY_PATH = \"/workspace\"\nLD_PRELOAD = \"/workspace/x.so\"\n";
    let skilled = Skilled::with_script("echo $LD_PRELOAD $LD_LIBRARY_PATH", more, &[]).await;
    // A loader ends with an error over a library that is none: it must not be the launcher's.
    skilled.write("libc.so.6", "no library");
    let result = skilled.probe().await;
    let output = result.to_string();
    assert!(!output.contains("/.portcullis"), "{output}");
    skilled.stop().await;
}
