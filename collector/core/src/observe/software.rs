use rollcall_shared::wire::v1::Packages;

use super::bounded;
use crate::model::{SoftwareEntry, SoftwareSet};

pub(super) fn read(packages: &Packages) -> SoftwareSet {
    packages
        .packages
        .iter()
        .map(|package| SoftwareEntry {
            kind: bounded(&package.kind).into_owned(),
            name: bounded(&package.name).into_owned(),
            version: bounded(&package.version).into_owned(),
            architecture: bounded(package.architecture.as_deref().unwrap_or_default()).into_owned(),
            publisher: bounded(package.publisher.as_deref().unwrap_or_default()).into_owned(),
        })
        .collect()
}
