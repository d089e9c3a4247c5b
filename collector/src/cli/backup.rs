//! `rollcall backup`: database and CA in one directory, while the collector serves.

use std::{
    fs,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};

use super::{Context, error::CliError, output::say, serve};
use crate::store;

#[derive(clap::Args)]
pub(super) struct Options {
    /// A directory to make; it holds private keys afterwards.
    directory: PathBuf,
    #[command(flatten)]
    settings: serve::Options,
}

pub(super) async fn run(options: Options, context: &Context) -> Result<(), CliError> {
    let config = serve::settings(options.settings, context.connection.data_dir.clone())?;
    let target = options.directory;
    let ca = config.data_dir.join("ca");
    if !ca.is_dir() {
        return Err(CliError::NotFound(format!(
            "{} holds no CA, so no collector has run there\nnext: name its directory with --data-dir",
            config.data_dir.display()
        )));
    }
    fs::DirBuilder::new()
        .mode(0o700)
        .create(&target)
        .with_context(|| format!("cannot make {}; name a directory that does not exist yet", target.display()))?;
    copy_directory(&ca, &target.join("ca"))?;
    let store = store::open(&config.database, &config.data_dir).await.context("the database cannot be opened")?;
    store.backup(&target.join("rollcall.sqlite")).await.context("the CA was copied, the database was not")?;
    say(&format!(
        "database and CA are in {0}\nIt holds private keys: keep it where nobody else reads it.\n\
         To restore: stop the collector, put {0}/rollcall.sqlite and {0}/ca into an empty data directory, start it again.",
        target.display()
    ))
}

/// Copies files and directories, readable by this user only; anything else in there is refused.
fn copy_directory(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::DirBuilder::new().mode(0o700).create(to).with_context(|| format!("cannot make {}", to.display()))?;
    for entry in fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))? {
        let entry = entry?;
        let (kind, target) = (entry.file_type()?, to.join(entry.file_name()));
        if kind.is_dir() {
            copy_directory(&entry.path(), &target)?;
        } else if kind.is_file() {
            let content =
                zeroize::Zeroizing::new(fs::read(entry.path()).with_context(|| format!("cannot read {}", entry.path().display()))?);
            let file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&target);
            let mut file = file.with_context(|| format!("cannot write {}", target.display()))?;
            std::io::Write::write_all(&mut file, &content)
                .and_then(|()| file.sync_all())
                .with_context(|| format!("cannot write {}", target.display()))?;
        } else {
            bail!("{} is neither file nor directory", entry.path().display());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn copies_are_whole_and_private() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("ca"), dir.path().join("copy"));
        fs::create_dir_all(from.join("old")).unwrap();
        fs::write(from.join("root.key"), "secret").unwrap();
        fs::write(from.join("old/root.pem"), "public").unwrap();
        copy_directory(&from, &to).unwrap();
        assert_eq!(fs::read_to_string(to.join("root.key")).unwrap(), "secret");
        assert_eq!(fs::read_to_string(to.join("old/root.pem")).unwrap(), "public");
        assert_eq!(fs::metadata(to.join("root.key")).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(copy_directory(&from, &to).is_err(), "an earlier copy is never mixed with a new one");
    }
}
