//! This machine as a node of a Kubernetes cluster.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the files of kubelet tell; certificates, tokens and the pods' environment are not read.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Kubernetes {
    /// The distribution: `kubelet` (kubeadm and the like), `k3s`, `rke2`, `microk8s`.
    pub distribution: String,
    /// The node's name in the cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node_name: Option<String>,
    /// The cluster's API servers as this node reaches them: `https://10.0.0.1:6443`, sorted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub api_servers: Vec<String>,
    /// The cluster's DNS domain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster_domain: Option<String>,
    /// The cluster's resolvers, sorted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cluster_dns: Vec<String>,
    /// Whether this node runs the cluster's API server from a static manifest; absent where no file tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub control_plane: Option<bool>,
    /// Pods on this node, sorted by namespace and name; those that ended a while ago may still be among them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pods: Vec<Pod>,
    /// Static manifests by file name, sorted: pods that kubelet starts without the cluster.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub static_manifests: Vec<String>,
}

/// A pod.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Pod {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its UID; of a static pod the hash of its manifest.
    pub uid: String,
    /// Its containers' names, sorted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub containers: Vec<String>,
}
