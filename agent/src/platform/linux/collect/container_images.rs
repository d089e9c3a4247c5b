//! Stored container images.

use std::io;

use rollcall_shared::wire::v1::{ContainerImage, ContainerImages};

use super::{Machine, Outcome};
use crate::{files::Root, parse::container_images as parse};

/// One directory a storage driver, each with a list of names.
const DOCKER: &str = "/var/lib/docker/image";
/// One directory a storage driver.
const STORAGE: &str = "/var/lib/containers/storage";
const CONTAINERD: &str = "/var/lib/containerd/io.containerd.metadata.v1.bolt/meta.db";
/// Reads a list of images.
type Read = fn(&[u8]) -> Option<Vec<ContainerImage>>;
const MOST_LIST: u64 = 16 << 20;
const MOST_IMAGES: usize = 8_192;

pub(super) fn collect(machine: &Machine<'_>) -> Outcome<ContainerImages> {
    let root = machine.root;
    let mut missing = Vec::new();
    let mut lists: Vec<(String, Read)> = Vec::new();
    let drivers = |directory: &str, missing: &mut Vec<String>| names(root, directory, missing);
    for driver in drivers(DOCKER, &mut missing) {
        lists.push((format!("{DOCKER}/{driver}/repositories.json"), parse::docker));
    }
    for driver in drivers(STORAGE, &mut missing).iter().filter(|name| name.ends_with("-images")) {
        lists.push((format!("{STORAGE}/{driver}/images.json"), parse::podman));
    }
    let mut present = !missing.is_empty();
    let mut images = Vec::new();
    for (path, parse) in lists {
        match root.read_up_to(&path, MOST_LIST) {
            Ok(bytes) => match parse(&bytes) {
                Some(found) => images.extend(found),
                None => missing.push(format!("{path}: not the list of images that was expected")),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => missing.push(format!("{path}: {error}")),
        }
        present = true;
    }
    if root.exists(CONTAINERD) && !root.exists(DOCKER) {
        present = true;
        missing.push(format!("containerd's images are in {CONTAINERD}, a database that containerd alone can read while it runs"));
    }
    if !present {
        return Outcome::NotPresent("no image store of Docker, Podman, CRI-O or containerd in their usual places".to_owned());
    }
    images.sort_by(|a, b| (&a.technology, &a.id).cmp(&(&b.technology, &b.id)));
    images.dedup_by(|a, b| (&a.technology, &a.id) == (&b.technology, &b.id));
    if images.len() > MOST_IMAGES {
        images.truncate(MOST_IMAGES);
        missing.push(format!("only the first {MOST_IMAGES} images are listed"));
    }
    let found = ContainerImages { images };
    if missing.is_empty() { Outcome::Data(found) } else { Outcome::Partial(found, missing.join("; ")) }
}

fn names(root: &Root, directory: &str, missing: &mut Vec<String>) -> Vec<String> {
    match root.names(directory) {
        Ok(names) => names,
        Err(error) => {
            if error.kind() != io::ErrorKind::NotFound {
                missing.push(format!("{directory}: {error}"));
            }
            Vec::new()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::tests::collect_one, *};

    #[test]
    fn images_of_all_stores_are_listed_and_what_cannot_be_read_is_named() {
        let files = [
            ("/var/lib/docker/image/overlay2/repositories.json", r#"{"Repositories":{"nginx":{"nginx:1.27":"sha256:aa11"}}}"#),
            ("/var/lib/docker/image/overlay2/distribution/x", ""),
            ("/var/lib/containers/storage/overlay-images/images.json", r#"[{"id":"9b1c","names":["docker.io/library/redis:7"]}]"#),
        ];
        let Outcome::Data(found) = collect_one(&files, collect) else { panic!("no data") };
        let seen: Vec<_> = found.images.iter().map(|image| (image.technology.as_str(), image.names.join(" "))).collect();
        assert_eq!(seen, [("docker", "nginx:1.27".to_owned()), ("podman", "docker.io/library/redis:7".to_owned())]);
        assert!(matches!(collect_one(&[(CONTAINERD, "")], collect), Outcome::Partial(_, reason) if reason.contains("containerd")));
        let broken = [("/var/lib/containers/storage/overlay-images/images.json", "{")];
        assert!(matches!(collect_one(&broken, collect), Outcome::Partial(..)));
        assert!(matches!(collect_one(&[], collect), Outcome::NotPresent(_)));
    }
}
