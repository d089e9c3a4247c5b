//! `/proc/self/mountinfo`.

use std::net::IpAddr;

use super::text::{fields, lines};

/// One mount.
#[derive(Clone, Debug, PartialEq)]
pub struct Mount {
    /// Where it is mounted.
    pub mount_point: String,
    /// Major and minor device number as written.
    pub device_number: String,
    /// What of the file system is mounted here; `/` unless it is a bind mount or subvolume.
    pub root: String,
    /// The device or `server:/path`.
    pub source: String,
    /// File system type.
    pub kind: String,
    /// Mounted read-only.
    pub read_only: bool,
    /// Address of the server that the kernel talks to, where the options tell it.
    pub server_address: Option<IpAddr>,
}

impl Mount {
    /// The server of a remote file system.
    pub fn server(&self) -> Option<String> {
        let server = match self.kind.as_str() {
            // `user@cluster.name=/path`: the servers stand in the options.
            "ceph" if !self.source.contains(":/") => return self.server_address.map(|address| address.to_string()),
            // `server@tcp:/name`
            "lustre" => self.source.split(['@', ':']).next()?,
            "nfs" | "nfs4" | "ceph" | "glusterfs" | "fuse.glusterfs" | "fuse.sshfs" => {
                let host = self.source.split(":/").next()?;
                // Ceph lists its monitors with ports; sshfs may name a user.
                let host = host.rsplit('@').next()?.split(',').next()?;
                match host.strip_prefix('[') {
                    Some(bracketed) => bracketed.split(']').next()?,
                    None if host.matches(':').count() == 1 => host.split(':').next()?,
                    None => host,
                }
            }
            "cifs" | "smb3" | "smbfs" => self.source.strip_prefix("//")?.split('/').next()?,
            _ => return None,
        };
        (!server.is_empty()).then(|| server.to_owned())
    }

    /// Whether it holds files of a disk or a server, and not of the kernel or of memory.
    pub fn is_storage(&self) -> bool {
        const OTHER: &[&str] = &[
            "autofs",
            "binder",
            "binfmt_misc",
            "bpf",
            "cgroup",
            "cgroup2",
            "configfs",
            "debugfs",
            "devpts",
            "devtmpfs",
            "efivarfs",
            "fuse.gvfsd-fuse",
            "fuse.lxcfs",
            "fuse.portal",
            "fusectl",
            "hugetlbfs",
            "mqueue",
            "nsfs",
            "nfsd",
            "proc",
            "pstore",
            "ramfs",
            "rpc_pipefs",
            "securityfs",
            "selinuxfs",
            "squashfs",
            "sysfs",
            "tmpfs",
            "tracefs",
            "overlay",
        ];
        // The root of a container is an overlay, and then the only storage that it has.
        !OTHER.contains(&self.kind.as_str()) || self.mount_point == "/"
    }
}

/// The mounts, in the order of the file.
pub fn mountinfo(bytes: &[u8]) -> Vec<Mount> {
    lines(bytes).filter_map(mount).collect()
}

fn mount(line: &[u8]) -> Option<Mount> {
    let mut words = fields(line);
    let device_number = words.nth(2)?;
    let (root, mount_point, options) = (words.next()?, words.next()?, words.next()?);
    // Optional fields end with a lone hyphen.
    words.by_ref().find(|word| *word == b"-")?;
    let (kind, source, super_options) = (words.next()?, words.next()?, words.next().unwrap_or_default());
    let has = |options: &[u8]| options.split(|&byte| byte == b',').any(|option| option == b"ro");
    Some(Mount {
        mount_point: unescaped(mount_point),
        device_number: unescaped(device_number),
        root: unescaped(root),
        source: unescaped(source),
        kind: unescaped(kind),
        read_only: has(options) || has(super_options),
        server_address: server_address(super_options),
    })
}

/// `addr=` of NFS and CIFS, the first monitor of Ceph's `mon_addr=`.
fn server_address(options: &[u8]) -> Option<IpAddr> {
    let value = |key: &[u8]| options.split(|&byte| byte == b',').find_map(|option| std::str::from_utf8(option.strip_prefix(key)?).ok());
    let first_monitor = || {
        let first = value(b"mon_addr=")?.split('/').next()?;
        first.parse::<std::net::SocketAddr>().ok().map(|address| address.ip())
    };
    // A zone says which link an address is of.
    let address = || value(b"addr=")?.split('%').next()?.parse().ok();
    address().or_else(first_monitor).filter(|address| !address.is_unspecified())
}

/// The kernel writes blanks and backslashes as `\040`.
fn unescaped(word: &[u8]) -> String {
    let mut bytes = Vec::with_capacity(word.len());
    let mut rest = word;
    while let Some((&first, tail)) = rest.split_first() {
        let octal =
            |digits: &[u8]| digits.iter().try_fold(0u16, |sum, digit| digit.is_ascii_digit().then(|| sum * 8 + u16::from(digit & 7)));
        let code = if first == b'\\' { tail.get(..3).and_then(octal).and_then(|code| u8::try_from(code).ok()) } else { None };
        match code {
            Some(code) => {
                bytes.push(code);
                rest = &tail[3..];
            }
            None => {
                bytes.push(first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).chars().filter(|c| !c.is_control()).take(4_096).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &[u8] = b"27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard\n\
        22 27 0:21 / /proc rw shared:1 master:2 - proc proc rw\n\
        40 27 0:50 / /mnt/my\\040files ro,relatime shared:9 - nfs4 nas01.example.org:/export/a rw,vers=4.2\n\
        41 27 0:51 / /mnt/c rw - cifs //files/share rw\n\
        42 27 0:52 / /mnt/six rw - nfs4 [fd00::1]:/x rw\n\
        broken\n";

    #[test]
    fn mounts_are_read() {
        let mounts = mountinfo(MOUNTS);
        assert_eq!(mounts.len(), 5);
        let seen: Vec<_> = mounts.iter().map(|mount| (mount.mount_point.as_str(), mount.is_storage(), mount.read_only)).collect();
        assert_eq!(
            seen,
            [
                ("/", true, false),
                ("/proc", false, false),
                ("/mnt/my files", true, true),
                ("/mnt/c", true, false),
                ("/mnt/six", true, false)
            ]
        );
        let servers: Vec<_> = mounts.iter().filter_map(Mount::server).collect();
        assert_eq!(servers, ["nas01.example.org", "files", "fd00::1"]);
        assert_eq!(mounts[2].server_address, None);
    }

    #[test]
    fn the_address_of_a_server_is_in_the_options() {
        let cases = [
            ("nfs4 nas:/a rw,vers=4.2,clientaddr=10.0.0.5,local_lock=none,addr=10.0.0.9", Some("nas"), Some("10.0.0.9")),
            ("cifs //files/share rw,addr=fe80::1%2", Some("files"), Some("fe80::1")),
            ("ceph admin@0f-1.home=/ rw,mon_addr=10.0.0.1:6789/10.0.0.2:6789", Some("10.0.0.1"), Some("10.0.0.1")),
            ("lustre 10.0.0.3@tcp:/scratch rw", Some("10.0.0.3"), None),
            ("ext4 /dev/sda1 rw,addr=nonsense", None, None),
        ];
        for (rest, server, address) in cases {
            let [mount] = &mountinfo(format!("1 2 0:1 / /x rw - {rest}").as_bytes())[..] else { panic!("{rest}") };
            let found = mount.server_address.map(|address| address.to_string());
            assert_eq!((mount.server().as_deref(), found.as_deref()), (server, address), "{rest}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_input_panics(bytes: Vec<u8>) {
            mountinfo(&bytes).iter().for_each(|mount| { mount.server(); });
        }
        #[test]
        fn no_line_panics(source in "[\\[\\]:/,@a-z\\\\0-9]{0,20}") {
            mountinfo(format!("1 2 0:1 / /x rw - nfs4 {source} rw").as_bytes()).iter().for_each(|mount| { mount.server(); });
        }
    }
}
