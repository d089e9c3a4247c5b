//! Settings of kubelet and its clients: the few lines that name things. Keys and tokens stand in the same files and are not taken.

use rollcall_shared::wire::v1::Pod;

use super::text::{clean, lines};

/// The API servers in a kubeconfig, without user and password, should somebody have written them there.
pub fn servers(yaml: &[u8]) -> Vec<String> {
    let mut servers: Vec<String> = scalars(yaml, "server").iter().filter_map(|value| address(value)).collect();
    servers.sort_unstable();
    servers.dedup();
    servers
}

/// The node's name in its kubeconfig, where the user is one.
pub fn node_name(yaml: &[u8]) -> Option<String> {
    ["name", "user"]
        .iter()
        .flat_map(|key| scalars(yaml, key))
        .find_map(|value| Some(value.strip_prefix("system:node:")?.split('@').next()?.to_owned()))
}

/// What `config.yaml` of kubelet says.
#[derive(Debug, Default, PartialEq)]
pub struct Kubelet {
    /// The cluster's DNS domain.
    pub cluster_domain: Option<String>,
    /// The cluster's resolvers, sorted.
    pub cluster_dns: Vec<String>,
    /// Where manifests of static pods lie.
    pub static_pod_path: Option<String>,
}

/// `config.yaml` of kubelet.
pub fn kubelet(yaml: &[u8]) -> Kubelet {
    let one = |key: &str| scalars(yaml, key).into_iter().next();
    let mut cluster_dns: Vec<String> =
        list(yaml, b"clusterDNS:").into_iter().filter(|text| text.parse::<std::net::IpAddr>().is_ok()).collect();
    cluster_dns.sort_unstable();
    Kubelet {
        cluster_domain: one("clusterDomain"),
        cluster_dns,
        static_pod_path: one("staticPodPath").filter(|path| path.starts_with('/')),
    }
}

/// The value of a flag such as `--hostname-override` in a command line or a file of flags.
pub fn flag(text: &[u8], flag: &str) -> Option<String> {
    let text = String::from_utf8_lossy(text);
    let rest = text.split_once(&format!("{flag}="))?.1;
    let value = rest.split(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '\0')).next()?;
    clean(value.as_bytes())
}

/// The pod of a directory of `/var/log/pods`: `NAMESPACE_NAME_UID`; neither of them may hold an underscore.
pub fn pod(directory: &str) -> Option<Pod> {
    let mut parts = directory.split('_').map(|part| clean(part.as_bytes()));
    let found = Pod { namespace: parts.next()??, name: parts.next()??, uid: parts.next()??, containers: Vec::new() };
    parts.next().is_none().then_some(found)
}

/// Plain values of a key, wherever it stands.
fn scalars(yaml: &[u8], key: &str) -> Vec<String> {
    let value = |line: &[u8]| {
        let text = String::from_utf8_lossy(line.trim_ascii()).into_owned();
        let rest = text.strip_prefix("- ").unwrap_or(&text).trim_start().strip_prefix(key)?.strip_prefix(':')?.to_owned();
        clean(plain(&rest).as_bytes())
    };
    lines(yaml).filter_map(value).collect()
}

/// A list of plain values, on lines of their own or in brackets.
fn list(yaml: &[u8], key: &[u8]) -> Vec<String> {
    let mut lines = lines(yaml).skip_while(|line| !line.starts_with(key));
    let first = lines.next().map(|line| String::from_utf8_lossy(&line[key.len()..]).into_owned()).unwrap_or_default();
    if let Some(inline) = first.trim().strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return inline.split(',').filter_map(|entry| clean(plain(entry).as_bytes())).collect();
    }
    let entry = |line: &[u8]| clean(plain(&String::from_utf8_lossy(line.trim_ascii().strip_prefix(b"-")?)).as_bytes());
    lines.map_while(entry).take(16).collect()
}

fn plain(text: &str) -> String {
    text.trim().trim_matches(['"', '\'']).to_owned()
}

fn address(text: &str) -> Option<String> {
    let (scheme, rest) = text.split_once("://").filter(|(scheme, _)| matches!(*scheme, "https" | "http"))?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit('@').next()?;
    (!host.is_empty()).then(|| format!("{scheme}://{host}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KUBECONFIG: &[u8] = b"apiVersion: v1\nclusters:\n- cluster:\n    certificate-authority-data: c2VjcmV0\n    server: https://10.0.0.1:6443\n  name: kubernetes\n\
        contexts:\n- context:\n    cluster: kubernetes\n    user: system:node:worker1\n  name: system:node:worker1@kubernetes\nusers:\n- name: system:node:worker1\n  user:\n    token: secret\n";

    #[test]
    fn names_are_taken_and_secrets_are_not() {
        assert_eq!((servers(KUBECONFIG), node_name(KUBECONFIG)), (vec!["https://10.0.0.1:6443".into()], Some("worker1".into())));
        assert_eq!(servers(b"    server: \"https://u:secret@api.example.org/path?token=secret\"\n"), ["https://api.example.org"]);
        assert_eq!(node_name(b"- name: default\n"), None);
    }

    #[test]
    fn kubelets_settings() {
        let found =
            kubelet(b"clusterDNS:\n- 10.96.0.10\n- \"fd00::a\"\nclusterDomain: cluster.local\nstaticPodPath: /etc/kubernetes/manifests\n");
        let expected = Kubelet {
            cluster_domain: Some("cluster.local".into()),
            cluster_dns: vec!["10.96.0.10".into(), "fd00::a".into()],
            static_pod_path: Some("/etc/kubernetes/manifests".into()),
        };
        assert_eq!(found, expected);
        assert_eq!(kubelet(b"clusterDNS: [10.43.0.10, x]\n").cluster_dns, ["10.43.0.10"]);
        let flags = b"KUBELET_KUBEADM_ARGS=\"--hostname-override=w1 --node-ip=10.0.0.2\"";
        assert_eq!((flag(flags, "--hostname-override"), flag(flags, "--x")), (Some("w1".into()), None));
    }

    #[test]
    fn pods_are_told_by_their_directories() {
        let found = pod("kube-system_coredns-5d78c9869d-abcde_3f1c2f0e-7b1c-4d5e-9f00-000000000001").unwrap();
        assert_eq!((found.namespace.as_str(), found.name.as_str(), found.uid.len()), ("kube-system", "coredns-5d78c9869d-abcde", 36));
        for bad in ["", "a_b", "a__c", "a_b_c_d"] {
            assert_eq!(pod(bad), None, "{bad}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_input_panics(bytes: Vec<u8>, text in "(server|name|user|clusterDNS|: |- |\\[|\\]|,|https://|@|/|_|\n|a){0,32}") {
            for bytes in [&bytes[..], text.as_bytes()] {
                servers(bytes);
                node_name(bytes);
                kubelet(bytes);
                flag(bytes, "--a");
            }
            pod(&text);
        }
    }
}
