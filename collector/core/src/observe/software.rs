use rollcall_shared::wire::v1::Packages;

use crate::model::{SoftwareEntry, SoftwareSet};

pub(super) fn read(packages: &Packages) -> SoftwareSet {
    packages
        .packages
        .iter()
        .map(|package| SoftwareEntry {
            kind: package.kind.clone(),
            name: package.name.clone(),
            version: package.version.clone(),
            architecture: package.architecture.clone().unwrap_or_default(),
            publisher: package.publisher.clone().unwrap_or_default(),
        })
        .collect()
}
