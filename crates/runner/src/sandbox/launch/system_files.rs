//! The files of `/etc` that programs expect on every system.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    os::unix::fs::symlink,
    path::Path,
};

use crate::sandbox::user::USER_INSIDE;

const HOST_NAME: &str = crate::sandbox::HOST_NAME;

/// Names are looked up only in files, because there is no network.
const NAME_SERVICES: &str = "passwd: files\ngroup: files\nshadow: files\nhosts: files\n\
    networks: files\nprotocols: files\nservices: files\n";

/// Writes the files, except those that a read path shows. `home` is the program's home directory.
pub(super) fn write(home: &Path) -> io::Result<()> {
    fs::create_dir_all("/etc")?;
    let home = home.display();
    add("hosts", &hosts())?;
    add("hostname", &format!("{HOST_NAME}\n"))?;
    add("nsswitch.conf", NAME_SERVICES)?;
    let users = format!(
        "root:x:0:0:root:/nonexistent:/bin/false\n\
         sandbox:x:{USER_INSIDE}:{USER_INSIDE}:sandbox:{home}:/bin/sh\n\
         nobody:x:65534:65534:nobody:/nonexistent:/bin/false\n"
    );
    add("passwd", &users)?;
    let groups = format!("root:x:0:\nsandbox:x:{USER_INSIDE}:\nnogroup:x:65534:\n");
    add("group", &groups)?;
    unless_shown(symlink("/usr/share/zoneinfo/Etc/UTC", "/etc/localtime"))
}

fn hosts() -> String {
    let mut hosts = format!("127.0.0.1\tlocalhost {HOST_NAME}\n");
    if has_ipv6_loopback() {
        hosts.push_str("::1\tlocalhost ip6-localhost ip6-loopback\n");
    }
    hosts
}

/// Without an IPv6 loopback, `localhost` must not resolve to `::1`.
fn has_ipv6_loopback() -> bool {
    const LOOPBACK: &str = "00000000000000000000000000000001 ";
    let addresses = fs::read_to_string("/proc/net/if_inet6").unwrap_or_default();
    addresses.lines().any(|line| line.starts_with(LOOPBACK))
}

fn add(name: &str, content: &str) -> io::Result<()> {
    let file = File::create_new(Path::new("/etc").join(name));
    unless_shown(file.and_then(|mut file| file.write_all(content.as_bytes())))
}

/// A file that a read path shows is kept. So is all of `/etc`, if a read path shows that.
fn unless_shown(outcome: io::Result<()>) -> io::Result<()> {
    match outcome {
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::AlreadyExists | io::ErrorKind::ReadOnlyFilesystem
            ) =>
        {
            Ok(())
        }
        outcome => outcome,
    }
}
