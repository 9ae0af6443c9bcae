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
        let leaked = (0..500).any(|number| {
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
