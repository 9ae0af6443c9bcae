//! Filters system calls that programs in a sandbox do not need and that could evade its limits.

use std::{collections::BTreeMap, io};

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, apply_filter,
};

/// These fail with `ENOSYS`, as on an older kernel, so that programs use another way.
const UNKNOWN: [i64; 34] = [
    // Memory that belongs to no process, so that no resource limit counts it.
    libc::SYS_memfd_create,
    libc::SYS_memfd_secret,
    libc::SYS_shmget,
    libc::SYS_shmat,
    libc::SYS_shmctl,
    libc::SYS_shmdt,
    libc::SYS_msgget,
    libc::SYS_msgsnd,
    libc::SYS_msgrcv,
    libc::SYS_msgctl,
    libc::SYS_semget,
    libc::SYS_semop,
    libc::SYS_semtimedop,
    libc::SYS_semctl,
    libc::SYS_mq_open,
    libc::SYS_mq_unlink,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    // Other ways to make calls that are filtered here.
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    // Parts of the kernel that have had many vulnerabilities.
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_fanotify_init,
    libc::SYS_open_by_handle_at,
    libc::SYS_mount,
    libc::SYS_fsopen,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_pivot_root,
];

/// The socket families that the network namespace confines. Others, such as `AF_VSOCK`, reach the host from any
/// namespace.
const FAMILIES: [libc::c_int; 4] = [
    libc::AF_UNIX,
    libc::AF_INET,
    libc::AF_INET6,
    libc::AF_NETLINK,
];

/// On x86-64, each call exists a second time with this bit set (`x32`).
const OTHER_TABLE: i64 = 0x4000_0000;

/// Restricts this process, the program that it becomes, and all their descendants.
pub(super) fn restrict() -> io::Result<()> {
    let unknown = UNKNOWN.iter().map(|call| (*call, Vec::new()));
    install(unknown.collect(), libc::ENOSYS)?;
    let mut others = Vec::new();
    for family in FAMILIES {
        let family = u64::try_from(family).map_err(io::Error::other)?;
        let length = SeccompCmpArgLen::Dword;
        let other = SeccompCondition::new(0, length, SeccompCmpOp::Ne, family);
        others.push(other.map_err(io::Error::other)?);
    }
    let others = SeccompRule::new(others).map_err(io::Error::other)?;
    install(
        BTreeMap::from([(libc::SYS_socket, vec![others])]),
        libc::EAFNOSUPPORT,
    )
}

fn install(mut rules: BTreeMap<i64, Vec<SeccompRule>>, error: libc::c_int) -> io::Result<()> {
    if cfg!(target_arch = "x86_64") {
        let in_other =
            |(call, rules): (&i64, &Vec<SeccompRule>)| (call | OTHER_TABLE, rules.clone());
        let others: Vec<_> = rules.iter().map(in_other).collect();
        rules.extend(others);
    }
    let error = u32::try_from(error).map_err(io::Error::other)?;
    let architecture = std::env::consts::ARCH;
    let architecture = architecture.try_into().map_err(io::Error::other)?;
    let filter = SeccompFilter::new(
        rules,
        SeccompAction::Allow,
        SeccompAction::Errno(error),
        architecture,
    );
    let program: Result<BpfProgram, _> = filter.map_err(io::Error::other)?.try_into();
    let program = program.map_err(io::Error::other)?;
    apply_filter(&program)
        .map_err(|error| io::Error::other(format!("no system call can be refused here: {error}")))
}
