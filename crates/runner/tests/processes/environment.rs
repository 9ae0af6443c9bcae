//! What a child gets: our environment, our arguments, three descriptors, and nothing else.

use std::{os::unix::fs::PermissionsExt, path::PathBuf};

use runner::{CommandSpec, SpawnError, Stdin, inheritable_descriptors, spawn};
use tokio_util::task::TaskTracker;

use crate::support::{LIMITS, next_text, rest_of, shell, start};

#[tokio::test]
async fn the_environment_is_exactly_ours() {
    let mut spec = shell("");
    spec.program = PathBuf::from("/usr/bin/env");
    spec.args.clear();
    spec.env = [("A", "1"), ("B", "two words"), ("EMPTY", "")]
        .map(|(name, value)| (name.into(), value.into()))
        .into();
    let environment = rest_of(start(spec).stdout).await;
    let [ours @ .., tag] = &environment[..] else {
        panic!("no environment")
    };
    assert_eq!(ours, ["A=1", "B=two words", "EMPTY="]);
    assert!(tag.starts_with("PORTCULLIS_RUN="), "{tag}");
}

#[tokio::test]
async fn arguments_arrive_as_they_are() {
    let directory = tempfile::tempdir().unwrap();
    let mut spec = shell(r#"printf '%s|' "$@""#);
    let hostile = [
        "--help",
        "$(touch x)",
        "`touch x`",
        "a\nb",
        "",
        "; touch x",
        "ü",
    ];
    spec.args.push("sh".into());
    spec.args.extend(hostile.map(Into::into));
    spec.current_dir = directory.path().into();
    let printed = rest_of(start(spec).stdout).await.join("\n");
    assert_eq!(printed, "--help|$(touch x)|`touch x`|a\nb||; touch x|ü|");
    assert_eq!(directory.path().read_dir().unwrap().count(), 0);
}

#[tokio::test]
async fn only_the_standard_descriptors_are_open() {
    let _open_here = std::fs::File::open("/dev/null").unwrap();
    // The directory that the shell lists is itself open while it lists it, and gone at the look.
    let child = start(shell(
        r#"for f in /proc/$$/fd/*; do [ -e "$f" ] && echo "${f##*/}"; done; true"#,
    ));
    let mut open: Vec<i32> = rest_of(child.stdout)
        .await
        .iter()
        .map(|fd| fd.parse().unwrap())
        .collect();
    open.sort_unstable();
    // What whoever runs the tests leaks to us is not ours to close.
    let mut expected = vec![0, 1, 2];
    expected.extend(inheritable_descriptors().unwrap());
    assert_eq!(open, expected);
}

#[tokio::test]
async fn it_leads_a_group_of_its_own_in_the_directory_given() {
    let directory = tempfile::tempdir().unwrap();
    let mut spec = shell("read -r stat < /proc/$$/stat; echo \"$stat\"; pwd");
    spec.current_dir = directory.path().canonicalize().unwrap();
    let expected_directory = spec.current_dir.display().to_string();
    let mut child = start(spec);
    let stat = next_text(&mut child.stdout).await.unwrap();
    let group = stat
        .rsplit_once(')')
        .unwrap()
        .1
        .split_whitespace()
        .nth(2)
        .unwrap();
    assert_eq!(group, child.handle.pid().to_string());
    assert_eq!(rest_of(child.stdout).await, [expected_directory]);
}

#[tokio::test]
async fn each_refusal_has_its_own_error() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str, mode: u32| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.metadata().unwrap().permissions().set_mode(mode);
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        path
    };
    let error_of = |change: &dyn Fn(&mut CommandSpec)| {
        let mut spec = shell("true");
        change(&mut spec);
        spawn(spec, LIMITS, None, &TaskTracker::new())
            .err()
            .unwrap()
    };
    let error_of_program = |path: PathBuf| error_of(&|spec| spec.program.clone_from(&path));

    assert!(matches!(
        error_of_program("sh".into()),
        SpawnError::NotAbsolute { .. }
    ));
    assert!(matches!(
        error_of_program("/no/such/program".into()),
        SpawnError::NotFound { .. }
    ));
    assert!(matches!(
        error_of_program(file("plain", "text", 0o644)),
        SpawnError::NotExecutable { .. }
    ));
    assert!(matches!(
        error_of_program(file("not-a-program", "text", 0o755)),
        SpawnError::NotExecutable { .. }
    ));
    assert!(matches!(
        error_of_program(file("no-interpreter", "#!/no/such/interpreter\n", 0o755)),
        SpawnError::InterpreterMissing { .. }
    ));
    assert!(matches!(
        error_of(&|spec| spec.current_dir = "/no/such/directory".into()),
        SpawnError::CurrentDirectory { .. }
    ));
    assert!(matches!(
        error_of(&|spec| spec.args.push("a\0b".into())),
        SpawnError::NulByte {
            what: "an argument"
        }
    ));
    assert!(matches!(
        error_of(&|spec| drop(spec.env.insert("A=B".into(), "c".into()))),
        SpawnError::EnvironmentName
    ));
    assert!(matches!(
        error_of(&|spec| spec.args.push("x".repeat(1 << 20).into())),
        SpawnError::TooLarge
    ));
}

#[test]
fn outside_a_runtime_it_says_so() {
    let mut spec = shell("true");
    spec.stdin = Stdin::Open;
    let error = spawn(spec, LIMITS, None, &TaskTracker::new())
        .err()
        .unwrap();
    assert!(matches!(error, SpawnError::NoRuntime));
}
