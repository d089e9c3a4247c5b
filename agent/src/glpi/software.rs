//! `softwares`.

use rollcall_shared::wire::v1::Packages;
use serde_json::{Value, json};

use super::Source;

pub(super) fn softwares(source: &Source<'_>) -> Option<Value> {
    let packages: Packages = source.get()?;
    let packages = packages.packages.into_iter().filter(|package| !package.name.trim().is_empty()).map(|package| {
        json!({
            "arch": package.architecture,
            "filesize": package.size_bytes,
            "from": package.kind,
            "install_date": package.installed_at.map(|at| source.date(at)),
            "name": package.name,
            "publisher": package.publisher,
            "version": package.version,
        })
    });
    Some(packages.collect())
}
