//! Embeds the bundled web UI. Refuses to build without it, or with one that was made from other sources.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use serde::Deserialize;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    sources: String,
    assets: Vec<Asset>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Asset {
    name: String,
    file: String,
    content_type: String,
}

fn main() -> ExitCode {
    match embed() {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            // Without the `cargo::error` form the message drowns in the build script's environment.
            println!("cargo::error={problem}");
            ExitCode::FAILURE
        }
    }
}

fn embed() -> Result<(), String> {
    let ui = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").ok_or("cargo did not set CARGO_MANIFEST_DIR")?).join("ui");
    let dist = env::var_os("ROLLCALL_UI_DIST").map_or_else(|| ui.join("dist"), PathBuf::from);
    for watched in ["build.mjs", "package-lock.json", "src"] {
        println!("cargo::rerun-if-changed={}", ui.join(watched).display());
    }
    println!("cargo::rerun-if-changed={}", dist.join("manifest.json").display());
    println!("cargo::rerun-if-env-changed=ROLLCALL_UI_DIST");

    let script = ui.join("../../packaging/build-ui");
    let script = script.canonicalize().unwrap_or(script);
    let next = format!("run `{}` (needs Node 20 and npm), then build again", script.display());
    let manifest = fs::read(dist.join("manifest.json")).map_err(|_| format!("the web UI is not bundled yet; {next}"))?;
    let manifest: Manifest =
        serde_json::from_slice(&manifest).map_err(|error| format!("{}/manifest.json: {error}; {next}", dist.display()))?;
    if manifest.sources != fingerprint(&ui)? {
        return Err(format!("the bundled web UI in {} was made from other sources than collector/ui holds; {next}", dist.display()));
    }

    let mut code = String::from("&[\n");
    for Asset { name, file, content_type } in &manifest.assets {
        let bytes = dist.join(file);
        if !bytes.is_file() {
            return Err(format!("{} is missing; {next}", bytes.display()));
        }
        let bytes = bytes.to_str().ok_or("the path of the web UI is not UTF-8")?;
        code +=
            &format!("    Asset {{ name: {name:?}, file: {file:?}, content_type: {content_type:?}, bytes: include_bytes!({bytes:?}) }},\n");
    }
    code += "]\n";
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo did not set OUT_DIR")?).join("assets.rs");
    fs::write(&out, code).map_err(|error| format!("{}: {error}", out.display()))
}

/// FNV-1a over name, NUL, bytes, NUL of every source in order of name; `ui/build.mjs` computes the same. It tells a stale
/// bundle by content, where modification times lie after a checkout.
fn fingerprint(ui: &Path) -> Result<String, String> {
    let failed = |error| format!("{}: {error}", ui.display());
    let mut files = vec!["build.mjs".to_owned(), "package-lock.json".to_owned()];
    for entry in fs::read_dir(ui.join("src")).map_err(failed)? {
        files.push(format!("src/{}", entry.map_err(failed)?.file_name().to_string_lossy()));
    }
    files.sort();
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for file in files {
        let bytes = fs::read(ui.join(&file)).map_err(failed)?;
        for byte in file.bytes().chain([0]).chain(bytes).chain([0]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        }
    }
    Ok(format!("{hash:016x}"))
}
