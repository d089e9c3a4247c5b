//! Lists of stored container images: Docker's and that of the library which Podman and CRI-O share.

use std::collections::BTreeMap;

use rollcall_shared::wire::v1::ContainerImage;
use serde::Deserialize;

use super::text::clean;

/// `repositories.json` of Docker: every name with the id that it points to. Images without a name are not in it.
pub fn docker(json: &[u8]) -> Option<Vec<ContainerImage>> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Repositories {
        repositories: BTreeMap<String, BTreeMap<String, String>>,
    }
    let found: Repositories = serde_json::from_slice(json).ok()?;
    let mut images: BTreeMap<String, ContainerImage> = BTreeMap::new();
    for (name, id) in found.repositories.into_values().flatten() {
        if let (Some(name), Some(id)) = (clean(name.as_bytes()), clean(id.as_bytes())) {
            let id = id.strip_prefix("sha256:").unwrap_or(&id).to_owned();
            let image = images.entry(id.clone()).or_insert_with(|| ContainerImage {
                technology: "docker".to_owned(),
                id,
                ..ContainerImage::default()
            });
            add(image, name);
        }
    }
    Some(images.into_values().collect())
}

/// `images.json` of containers/storage.
pub fn podman(json: &[u8]) -> Option<Vec<ContainerImage>> {
    #[derive(Deserialize)]
    struct Image {
        id: String,
        #[serde(default)]
        names: Option<Vec<String>>,
        created: Option<serde_json::Value>,
    }
    let found: Vec<Image> = serde_json::from_slice(json).ok()?;
    let image = |found: Image| {
        // Images that were built reproducibly are from the year 0 or 1970.
        let created: Option<rollcall_shared::Timestamp> = found.created.and_then(|created| serde_json::from_value(created).ok());
        let mut image = ContainerImage {
            technology: "podman".to_owned(),
            id: clean(found.id.as_bytes())?,
            created_at: created.filter(|created| created.as_millis() > 0),
            ..ContainerImage::default()
        };
        found.names.unwrap_or_default().into_iter().filter_map(|name| clean(name.as_bytes())).for_each(|name| add(&mut image, name));
        Some(image)
    };
    Some(found.into_iter().filter_map(image).collect())
}

fn add(image: &mut ContainerImage, name: String) {
    let names = if name.contains('@') { &mut image.digests } else { &mut image.names };
    if let Err(at) = names.binary_search(&name) {
        names.insert(at, name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_digests_of_an_image_come_together() {
        let json = br#"{"Repositories":{"nginx":{"nginx:1.27":"sha256:aa11","nginx:latest":"sha256:aa11","nginx@sha256:ff":"sha256:aa11"},
            "registry.example:5000/app":{"registry.example:5000/app:2":"sha256:bb22"}}}"#;
        let found = docker(json).unwrap();
        assert_eq!((found.len(), found[0].id.as_str(), found[0].names.join(" ")), (2, "aa11", "nginx:1.27 nginx:latest".to_owned()));
        assert_eq!(
            (found[0].digests.join(" "), found[1].names.join(" ")),
            ("nginx@sha256:ff".into(), "registry.example:5000/app:2".into())
        );
        assert_eq!(docker(b"[]"), None);
    }

    #[test]
    fn images_of_podman() {
        let json = br#"[{"id":"9b1c","names":["docker.io/library/redis:7"],"created":"2024-05-01T10:00:00.123456789Z","layer":"x"},
            {"id":"77aa","created":"0001-01-01T00:00:00Z"},{"id":"88bb","names":null}]"#;
        let found = podman(json).unwrap();
        assert_eq!(
            found.iter().map(|image| (image.id.as_str(), image.names.len(), image.created_at.is_some())).collect::<Vec<_>>(),
            [("9b1c", 1, true), ("77aa", 0, false), ("88bb", 0, false)]
        );
        assert_eq!(podman(b"{"), None);
    }

    proptest::proptest! {
        #[test]
        fn no_input_panics(bytes: Vec<u8>) {
            docker(&bytes);
            podman(&bytes);
        }
    }
}
