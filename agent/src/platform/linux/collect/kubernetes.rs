//! This machine as a node of a Kubernetes cluster.

use std::io;

use rollcall_shared::wire::v1::{Kubernetes, Pod};

use super::{Machine, Outcome};
use crate::{files::Root, parse::kubernetes as parse};

/// A distribution: its name, where kubelet's kubeconfig lies, and where its settings.
const DISTRIBUTIONS: &[(&str, &str, &str)] = &[
    ("rke2", "/var/lib/rancher/rke2/agent/kubelet.kubeconfig", "/var/lib/rancher/rke2/agent/etc/kubelet.conf.d/00-rke2-defaults.conf"),
    ("k3s", "/var/lib/rancher/k3s/agent/kubelet.kubeconfig", "/var/lib/rancher/k3s/agent/etc/kubelet.conf.d/00-k3s-defaults.conf"),
    ("microk8s", "/var/snap/microk8s/current/credentials/kubelet.config", "/var/snap/microk8s/current/args/kubelet"),
    ("kubelet", "/etc/kubernetes/kubelet.conf", "/var/lib/kubelet/config.yaml"),
];
/// Agents of k3s and rke2 reach the servers through a proxy on the machine; here stands where they really are.
const RANCHER_SETTINGS: &str = "/etc/rancher/DISTRIBUTION/config.yaml";
const FLAGS: &[&str] =
    &["/var/lib/kubelet/kubeadm-flags.env", "/etc/default/kubelet", "/etc/sysconfig/kubelet", "/var/snap/microk8s/current/args/kubelet"];
const MANIFESTS: &str = "/etc/kubernetes/manifests";
/// Kubelet makes a directory for each pod when it starts and removes it some time after its end.
const PODS: &str = "/var/log/pods";
const MOST_PODS: usize = 4_096;

pub(super) fn collect(machine: &Machine<'_>) -> Outcome<Kubernetes> {
    let root = machine.root;
    let Some((distribution, kubeconfig, settings)) =
        DISTRIBUTIONS.iter().find(|(_, kubeconfig, settings)| root.exists(kubeconfig) || root.exists(settings))
    else {
        return Outcome::NotPresent("no files of kubelet (looked for kubeadm, k3s, rke2, microk8s)".to_owned());
    };
    let mut missing = Vec::new();
    let mut read = |path: &str| match root.read(path) {
        Ok(bytes) => Some(bytes),
        Err(error) => {
            if error.kind() != io::ErrorKind::NotFound {
                missing.push(format!("{path}: {error}"));
            }
            None
        }
    };
    let kubeconfig = read(kubeconfig).unwrap_or_default();
    let settings = parse::kubelet(&read(settings).unwrap_or_default());
    let rancher = read(&RANCHER_SETTINGS.replace("DISTRIBUTION", distribution)).map(|bytes| parse::servers(&bytes)).unwrap_or_default();
    let overridden = FLAGS.iter().find_map(|path| parse::flag(&root.read(path).ok()?, "--hostname-override"));
    let manifests = manifests(
        root,
        &[settings.static_pod_path.as_deref().unwrap_or(MANIFESTS), &format!("/var/lib/rancher/{distribution}/agent/pod-manifests")],
    );
    let runs_servers = manifests.iter().any(|name| name.starts_with("kube-apiserver"))
        || root.exists(&format!("/var/lib/rancher/{distribution}/server/tls"));
    let found = Kubernetes {
        distribution: (*distribution).to_owned(),
        // Without one, the node is called as the machine is.
        node_name: parse::node_name(&kubeconfig).or(overridden).or_else(|| root.text("/etc/hostname").map(|name| name.to_lowercase())),
        api_servers: if rancher.is_empty() { parse::servers(&kubeconfig) } else { rancher },
        cluster_domain: settings.cluster_domain,
        cluster_dns: settings.cluster_dns,
        control_plane: Some(runs_servers),
        pods: pods(root, &mut missing),
        static_manifests: manifests,
    };
    if missing.is_empty() { Outcome::Data(found) } else { Outcome::Partial(found, missing.join("; ")) }
}

fn pods(root: &Root, missing: &mut Vec<String>) -> Vec<Pod> {
    let names = match root.names(PODS) {
        Ok(names) => names,
        Err(error) => {
            if error.kind() != io::ErrorKind::NotFound {
                missing.push(format!("{PODS}: {error}"));
            }
            return Vec::new();
        }
    };
    let pod = |name: &String| {
        let containers = root.names(&format!("{PODS}/{name}")).unwrap_or_default();
        Some(Pod { containers, ..parse::pod(name)? })
    };
    let mut pods: Vec<Pod> = names.iter().take(MOST_PODS).filter_map(pod).collect();
    pods.sort_by(|a, b| (&a.namespace, &a.name, &a.uid).cmp(&(&b.namespace, &b.name, &b.uid)));
    if names.len() > MOST_PODS {
        missing.push(format!("only the first {MOST_PODS} pods are listed"));
    }
    pods
}

fn manifests(root: &Root, directories: &[&str]) -> Vec<String> {
    let names = directories.iter().flat_map(|directory| root.names(directory).unwrap_or_default());
    let mut manifests: Vec<String> =
        names.filter(|name| [".yaml", ".yml", ".json", ".manifest"].iter().any(|end| name.ends_with(end))).collect();
    manifests.sort_unstable();
    manifests.dedup();
    manifests
}

#[cfg(test)]
mod tests {
    use super::{super::tests::collect_one, *};

    #[test]
    fn a_node_made_by_kubeadm() {
        let files = [
            (
                "/etc/kubernetes/kubelet.conf",
                "clusters:\n- cluster:\n    server: https://10.0.0.1:6443\nusers:\n- name: system:node:cp1\n  user:\n    token: secret\n",
            ),
            ("/var/lib/kubelet/config.yaml", "clusterDNS:\n- 10.96.0.10\nclusterDomain: cluster.local\n"),
            ("/etc/kubernetes/manifests/kube-apiserver.yaml", "secret"),
            ("/var/log/pods/default_web-0_3f1c2f0e/nginx/0.log", "secret"),
            ("/var/log/pods/default_web-0_3f1c2f0e/sidecar/0.log", ""),
        ];
        let Outcome::Data(found) = collect_one(&files, collect) else { panic!("no data") };
        assert_eq!((found.node_name.as_deref(), found.api_servers.join(" ")), (Some("cp1"), "https://10.0.0.1:6443".to_owned()));
        assert_eq!((found.control_plane, found.static_manifests.join(" ")), (Some(true), "kube-apiserver.yaml".to_owned()));
        assert_eq!((found.pods.len(), found.pods[0].containers.join(" ")), (1, "nginx sidecar".to_owned()));
        assert!(!serde_json::to_string(&found).unwrap().contains("secret"));
    }

    #[test]
    fn an_agent_of_k3s_names_its_real_server() {
        let files = [
            ("/var/lib/rancher/k3s/agent/kubelet.kubeconfig", "    server: https://127.0.0.1:6444\n"),
            ("/etc/rancher/k3s/config.yaml", "server: https://cp.example.org:6443\ntoken: secret\n"),
            ("/etc/hostname", "Edge1\n"),
        ];
        let Outcome::Data(found) = collect_one(&files, collect) else { panic!("no data") };
        assert_eq!((found.distribution.as_str(), found.node_name.as_deref(), found.control_plane), ("k3s", Some("edge1"), Some(false)));
        assert_eq!(found.api_servers, ["https://cp.example.org:6443"]);
        assert!(matches!(collect_one(&[], collect), Outcome::NotPresent(_)));
    }
}
