//! Scripts, styles and pictures, embedded at build time under names that carry their content's hash.

use axum::{
    extract::Path,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};

/// One embedded file.
pub(super) struct Asset {
    name: &'static str,
    file: &'static str,
    content_type: &'static str,
    bytes: &'static [u8],
}

static ASSETS: &[Asset] = include!(concat!(env!("OUT_DIR"), "/assets.rs"));

/// Where the asset of that source name (`app.js`) is served.
pub(super) fn url(name: &str) -> String {
    match ASSETS.iter().find(|asset| asset.name == name) {
        Some(asset) => format!("/assets/{}", asset.file),
        None => format!("/assets/{name}"),
    }
}

/// `GET /assets/{file}`: for ever the same, because another content has another name.
pub(super) async fn serve(Path(file): Path<String>) -> Response {
    match ASSETS.iter().find(|asset| asset.file == file) {
        Some(asset) => {
            ([(header::CONTENT_TYPE, asset.content_type), (header::CACHE_CONTROL, "public, max-age=31536000, immutable")], asset.bytes)
                .into_response()
        }
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_asset_that_templates_name_is_embedded() {
        for name in ["app.js", "graph.js", "style.css", "icon.svg"] {
            assert!(ASSETS.iter().any(|asset| asset.name == name && url(name).ends_with(asset.file)), "{name}");
        }
    }
}
