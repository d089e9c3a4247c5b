//! `config.json` of a running container, as the Open Container Initiative has it and containerd leaves it for its runtime.

use std::collections::BTreeMap;

use rollcall_shared::wire::v1::VirtualGuest;
use serde::Deserialize;

use super::text::clean;

/// A container; `None` for the one that only holds a Kubernetes pod's network, and for what is no container. Environment and
/// arguments stand in the same file; only named annotations are taken.
pub fn container(json: &[u8], id: &str) -> Option<VirtualGuest> {
    #[derive(Deserialize)]
    struct Bundle {
        #[serde(default)]
        annotations: Option<BTreeMap<String, String>>,
    }
    let found: Bundle = serde_json::from_slice(json).ok()?;
    let annotations = found.annotations.unwrap_or_default();
    let value = |keys: &[&str]| keys.iter().find_map(|key| clean(annotations.get(*key)?.as_bytes()));
    if value(&["io.kubernetes.cri.container-type"]).as_deref() == Some("sandbox") {
        return None;
    }
    let pod = value(&["io.kubernetes.cri.sandbox-namespace"]).zip(value(&["io.kubernetes.cri.sandbox-name"]));
    Some(VirtualGuest {
        technology: "containerd".to_owned(),
        name: value(&["io.kubernetes.cri.container-name", "nerdctl/name"]).or_else(|| clean(id.as_bytes()))?,
        id: clean(id.as_bytes()),
        image: value(&["io.kubernetes.cri.image-name"]),
        pod: pod.map(|(namespace, name)| format!("{namespace}/{name}")),
        // The directory goes when the container ends.
        running: Some(true),
        ..VirtualGuest::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containers_of_pods_are_told_with_their_pod() {
        let json = br#"{"ociVersion":"1.1.0","process":{"env":["TOKEN=secret"],"args":["--password=secret"]},"annotations":{
            "io.kubernetes.cri.container-name":"nginx","io.kubernetes.cri.container-type":"container","io.kubernetes.cri.image-name":"docker.io/library/nginx:1.27",
            "io.kubernetes.cri.sandbox-name":"web-0","io.kubernetes.cri.sandbox-namespace":"shop"}}"#;
        let found = container(json, "4f2a").unwrap();
        assert_eq!((found.name.as_str(), found.pod.as_deref(), found.id.as_deref()), ("nginx", Some("shop/web-0"), Some("4f2a")));
        assert_eq!((found.image.as_deref(), found.running), (Some("docker.io/library/nginx:1.27"), Some(true)));
        assert!(!serde_json::to_string(&found).unwrap().contains("secret"));
        assert_eq!(container(br#"{"annotations":{"io.kubernetes.cri.container-type":"sandbox"}}"#, "a"), None);
        assert_eq!(container(br#"{"ociVersion":"1.1.0"}"#, "plain").unwrap().name, "plain");
        assert_eq!(container(b"[", "a"), None);
    }

    proptest::proptest! {
        #[test]
        fn no_input_panics(bytes: Vec<u8>) {
            container(&bytes, "a");
        }
    }
}
