use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{RenameFlags, renameat_with};

use super::*;

fn copy_all(source: &Path, target: &Path, hidden: &[PathBuf]) -> Result<(), CopyError> {
    copy(
        source,
        target,
        hidden,
        ProgramUser::Own,
        &CancellationToken::new(),
    )
}

#[test]
fn links_are_copied_as_links_and_modes_survive() {
    let outside = tempfile::NamedTempFile::new().unwrap();
    let source = tempfile::tempdir().unwrap();
    let target = tempfile::tempdir().unwrap();
    let (source, target) = (source.path(), target.path().join("copy"));
    fs::create_dir_all(source.join("a/b")).unwrap();
    fs::create_dir(source.join("data")).unwrap();
    fs::write(source.join("a/b/script"), "#!/bin/sh\n").unwrap();
    let executable = Permissions::from_mode(0o555);
    fs::set_permissions(source.join("a/b/script"), executable).unwrap();
    symlink(outside.path(), source.join("out")).unwrap();
    symlink("nowhere", source.join("dangling")).unwrap();

    copy_all(source, &target, &[source.join("data")]).unwrap();

    let script = target.join("a/b/script");
    assert_eq!(fs::read_to_string(&script).unwrap(), "#!/bin/sh\n");
    let mode = fs::metadata(&script).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o755);
    assert_eq!(fs::read_link(target.join("out")).unwrap(), outside.path());
    assert_eq!(
        fs::read_link(target.join("dangling")).unwrap(),
        Path::new("nowhere")
    );
    assert!(!target.join("data").exists());
}

#[test]
fn what_cannot_be_copied_is_not_left_out() {
    let source = tempfile::tempdir().unwrap();
    let target = tempfile::tempdir().unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(source.path().join("s")).unwrap();
    let error = copy_all(source.path(), &target.path().join("copy"), &[]).unwrap_err();
    assert!(matches!(error, CopyError::Special));
}

/// A directory that changes places with a link, again and again, while it is copied. What the link
/// leads to never gets into a copy.
#[test]
fn a_directory_that_becomes_a_link_leads_nowhere() {
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("secret"), "the gateway's").unwrap();
    let source = tempfile::tempdir().unwrap();
    let root = source.path();
    for number in 0..32 {
        fs::write(root.join(format!("file-{number}")), "").unwrap();
    }
    fs::create_dir(root.join("turning")).unwrap();
    let swap = tempfile::tempdir().unwrap();
    let link = swap.path().join("link");
    symlink(outside.path(), &link).unwrap();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                let turning = root.join("turning");
                renameat_with(CWD, &link, CWD, &turning, RenameFlags::EXCHANGE).unwrap();
            }
        });
        let copies = tempfile::tempdir().unwrap();
        let leaked = (0..50).any(|number| {
            let target = copies.path().join(number.to_string());
            // It may fail: the workspace changes.
            let _ = copy_all(root, &target, &[]);
            let turned = target.join("turning");
            let is_link = turned.is_symlink();
            let leaked = !is_link && turned.join("secret").exists();
            fs::remove_dir_all(&target).unwrap();
            leaked
        });
        over.store(true, Ordering::Relaxed);
        assert!(!leaked);
    });
}

/// The gateway's own directory is known wherever it is moved to.
#[test]
fn what_is_hidden_stays_hidden_under_another_name() {
    let source = tempfile::tempdir().unwrap();
    let target = tempfile::tempdir().unwrap();
    let (root, target) = (source.path(), target.path().join("copy"));
    fs::create_dir(root.join("data")).unwrap();
    fs::write(root.join("data/secret"), "").unwrap();
    let hidden = Hidden::below(root, &[root.join("data")]);
    fs::rename(root.join("data"), root.join("other")).unwrap();
    fs::create_dir(&target).unwrap();
    let abandoned = CancellationToken::new();
    let mut copy = Copy {
        owner: None,
        hidden,
        abandoned: &abandoned,
        files: 0,
        bytes: 0,
        directories: Vec::new(),
    };
    let to = openat(CWD, &target, DIRECTORY, Mode::empty()).unwrap();
    copy.directory(open_root(root).unwrap(), &to, Path::new(""), 0)
        .unwrap();
    assert_eq!(fs::read_dir(&target).unwrap().count(), 0);
}

#[test]
fn a_copy_that_nobody_waits_for_stops() {
    let source = tempfile::tempdir().unwrap();
    let target = tempfile::tempdir().unwrap();
    fs::write(source.path().join("file"), "x").unwrap();
    let abandoned = CancellationToken::new();
    abandoned.cancel();
    let target = target.path().join("copy");
    let outcome = copy(source.path(), &target, &[], ProgramUser::Own, &abandoned);
    assert!(matches!(outcome, Err(CopyError::Abandoned)));
    assert!(!target.join("file").exists());
}

/// Does `change` again and again while `source` is copied; gives what came of it.
fn copy_while(source: &Path, target: &Path, change: impl Fn(u32) + Sync) -> Result<(), CopyError> {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut count = 0;
            while !over.load(Ordering::Relaxed) {
                change(count);
                count += 1;
                wait(Duration::from_millis(1));
            }
        });
        let outcome = copy_all(source, target, &[]);
        over.store(true, Ordering::Relaxed);
        outcome
    })
}

/// There is a copy of one moment, or none: how often there is one is the machine's affair.
#[test]
fn what_changes_without_end_is_not_copied_in_halves() {
    use std::io::Write as _;
    use std::os::unix::fs::FileExt as _;

    let source = tempfile::tempdir().unwrap();
    let target = tempfile::tempdir().unwrap();
    let (root, target) = (source.path(), target.path().join("copy"));
    let grown = root.join("grown");
    let written = root.join("written");
    let names = [root.join("one"), root.join("two")];
    fs::write(&names[0], "").unwrap();
    fs::write(&grown, "").unwrap();
    fs::write(&written, vec![b'a'; 100_000]).unwrap();
    let change = |count: u32| {
        let mut file = File::options().append(true).open(&grown).unwrap();
        file.write_all(b"a line\n").unwrap();
        let file = File::options().write(true).open(&written).unwrap();
        let byte = b'a' + u8::try_from(count % 26).unwrap();
        file.write_all_at(&vec![byte; 100_000], 0).unwrap();
        let (from, to) = (count as usize % 2, (count as usize + 1) % 2);
        let _ = fs::rename(&names[from], &names[to]);
    };
    for _ in 0..5 {
        match copy_while(root, &target, change) {
            Err(CopyError::Changed) => continue,
            outcome => outcome.unwrap(),
        }
        let lines = fs::read_to_string(target.join("grown")).unwrap();
        assert_eq!(lines.len() % "a line\n".len(), 0);
        let bytes = fs::read(target.join("written")).unwrap();
        assert!(bytes.len() == 100_000 && bytes.iter().all(|byte| *byte == bytes[0]));
        let names = ["one", "two"].map(|name| target.join(name).exists());
        assert_eq!(names.iter().filter(|there| **there).count(), 1);
    }
    copy_all(root, &target, &[]).unwrap();
}

#[test]
fn further_attempts_are_made_while_something_changes_and_then_no_more() {
    let wanted = CancellationToken::new();
    for (changes, expected) in [(0, 1), (2, 3), (99, ATTEMPTS)] {
        let mut attempts = 0;
        let outcome = repeat(&wanted, || {
            attempts += 1;
            if attempts <= changes {
                return Err(CopyError::Changed);
            }
            Ok(())
        });
        assert_eq!((attempts, outcome.is_ok()), (expected, changes < ATTEMPTS));
    }
}

/// For a while only: a further attempt succeeds.
#[test]
fn what_stops_changing_is_copied_as_it_is_then() {
    let source = tempfile::tempdir().unwrap();
    let target = tempfile::tempdir().unwrap();
    let (root, target) = (source.path(), target.path().join("copy"));
    fs::write(root.join("file"), "0").unwrap();
    fs::write(root.join("goes"), "").unwrap();
    let change = |count: u32| {
        if count < 5 {
            fs::write(root.join("file"), format!("{count} ").repeat(100)).unwrap();
        } else {
            let _ = fs::remove_file(root.join("goes"));
        }
    };
    copy_while(root, &target, change).unwrap();
    let copied = fs::read_to_string(target.join("file")).unwrap();
    assert_eq!(copied, fs::read_to_string(root.join("file")).unwrap());
}
