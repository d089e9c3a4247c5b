//! Packages of rpm, read from its database where that can be understood, else by asking rpm.
//!
//! Databases of SQLite (Fedora, RHEL 9 and newer) are read here, without starting anything. Those of rpm's own kind (SUSE) and of
//! Berkeley DB (RHEL 8 and older) are not, nor is one of SQLite that has changes in its log; then rpm is asked, except beside dpkg:
//! there its database is a by-product, and no inventory of Debian starts a process.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    fs::File,
    os::unix::fs::FileExt,
};

use rollcall_shared::wire::v1::Package;

use crate::{
    child,
    files::Root,
    parse::{
        dnf_history, rpm,
        sqlite::{Database, Source, Value},
    },
};

const DIRECTORIES: &[&str] = &["/usr/lib/sysimage/rpm", "/var/lib/rpm"];
const SQLITE: &str = "rpmdb.sqlite";
const NDB: &str = "Packages.db";
const BERKELEY: &str = "Packages";
/// The header of a package with very many files takes some megabytes.
const LONGEST_HEADER: usize = 64 << 20;

/// The installed packages, or why they are not known; `None` where there is no database. `may_ask` says whether rpm may be started.
pub(super) fn packages(root: &Root, may_ask: bool) -> Option<Result<Vec<Package>, String>> {
    let found = DIRECTORIES
        .iter()
        .find_map(|directory| [SQLITE, NDB, BERKELEY].iter().map(|file| format!("{directory}/{file}")).find(|path| root.exists(path)));
    let path = found?;
    let read = match path.rsplit('/').next() {
        Some(SQLITE) => sqlite(root, &path),
        Some(NDB) => Err("it is a database of rpm's own kind".to_owned()),
        _ => Err("it is a database of Berkeley DB".to_owned()),
    };
    let packages = read.or_else(|reason| {
        if !may_ask {
            return Err(format!("the packages in {path} are not listed: {reason}, and rpm is not started beside dpkg"));
        }
        match child::run(&child::RPM, root) {
            Ok(output) => Ok(rpm::listed(&output)),
            Err(error) => Err(format!("the packages in {path} are not listed: {reason}, and {error}")),
        }
    });
    Some(packages.map(|mut packages| {
        add_origins(root, &mut packages);
        packages
    }))
}

/// The package that each of these files belongs to, where the database can be read here.
pub(super) fn owners(root: &Root, files: &BTreeSet<String>) -> BTreeMap<String, String> {
    /// Files of the same name are in few packages.
    const MOST_CANDIDATES: usize = 4_096;
    let mut owners = BTreeMap::new();
    let database = DIRECTORIES.iter().map(|directory| format!("{directory}/{SQLITE}")).find(|path| root.exists(path));
    let Some(Ok(database)) = database.map(|path| open(root, &path)) else { return owners };
    let names: BTreeSet<&[u8]> = files.iter().filter_map(|file| file.rsplit('/').next()).map(str::as_bytes).collect();
    let mut candidates = Vec::new();
    let mut look = || {
        let table = database.table("Basenames")?;
        let (key, package, number) = (table.column("key")?, table.column("hnum")?, table.column("idx")?);
        database.rows(&table, |_, row| {
            let at = |column: usize| row.get(column).copied();
            if let (Some(name), Some(package), Some(number)) =
                (at(key).and_then(Value::bytes), at(package).and_then(Value::integer), at(number).and_then(Value::integer))
                && names.contains(name)
                && candidates.len() < MOST_CANDIDATES
            {
                candidates.push((package, number));
            }
        })?;
        let table = database.table("Packages")?;
        let blob = table.column("blob")?;
        for (package, number) in candidates.drain(..) {
            database.row_at(&table, package, |row| {
                let header = row.get(blob).copied().and_then(Value::bytes);
                let found = header.zip(usize::try_from(number).ok()).and_then(|(header, number)| rpm::file(header, number));
                if let Some((package, path)) = found.filter(|(_, path)| files.contains(path)) {
                    owners.insert(path, package);
                }
            })?;
        }
        Some(())
    };
    // What was found before damage is right all the same.
    let _ = look();
    owners
}

fn open(root: &Root, path: &str) -> Result<Database<Pages>, String> {
    if root.size(&format!("{path}-wal")).is_some_and(|size| size > 0) {
        return Err("it has changes in its log, so somebody is writing to it".to_owned());
    }
    let file = File::open(root.path(path)).map_err(|error| error.to_string())?;
    Database::open(Pages(file), LONGEST_HEADER).ok_or_else(|| "it is not laid out as expected".to_owned())
}

/// Writes to each package which repository dnf had it from, where dnf's history tells.
fn add_origins(root: &Root, packages: &mut [Package]) {
    const HISTORY: &str = "/var/lib/dnf/history.sqlite";
    if !root.exists(HISTORY) {
        return;
    }
    let Some(origins) = open(root, HISTORY).ok().and_then(|database| dnf_history::origins(&database)) else { return };
    for package in packages {
        let key = (package.name.as_str(), package.version.as_str(), package.architecture.as_deref().unwrap_or_default());
        package.origin = origins.get(&dnf_history::key(key.0, key.1, key.2)).cloned();
    }
}

fn sqlite(root: &Root, path: &str) -> Result<Vec<Package>, String> {
    let damaged = || "it is not laid out as expected".to_owned();
    let database = open(root, path)?;
    let table = database.table("Packages").ok_or_else(damaged)?;
    let blob = table.column("blob").ok_or_else(damaged)?;
    let mut packages = Vec::new();
    let mut is_whole = true;
    database
        .rows(&table, |_, row| match row.get(blob).copied().and_then(Value::bytes) {
            Some(header) => packages.extend(rpm::header(header)),
            None => is_whole = false,
        })
        .ok_or_else(damaged)?;
    if is_whole { Ok(packages) } else { Err(damaged()) }
}

/// A database's pages, read one at a time.
struct Pages(File);

impl Source for Pages {
    fn read(&self, at: u64, length: usize) -> Option<Cow<'_, [u8]>> {
        let mut bytes = vec![0; length];
        self.0.read_exact_at(&mut bytes, at).ok()?;
        Some(Cow::Owned(bytes))
    }
}

#[cfg(test)]
mod tests {
    use std::{path::Path, process::Command};

    use super::*;
    use crate::child::tests::script;

    #[test]
    fn rpm_is_asked_only_where_nothing_else_helps() {
        let directory = tempfile::tempdir().unwrap();
        let root = Root::new(directory.path());
        assert_eq!(packages(&root, true), None);
        let put = |path: &str| {
            let path = directory.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        };
        put("var/lib/rpm/Packages");
        let started = directory.path().join("started");
        let answer = format!("echo >> {}; printf 'bash\\t0\\t5.2\\t1\\tx86_64\\tFedora\\t(none)\\t1\\t1700000000\\n'", started.display());
        script(directory.path(), "/usr/bin/rpm", &answer);
        assert!(packages(&root, false).unwrap().unwrap_err().contains("beside dpkg"));
        assert!(!started.exists());
        let found = packages(&root, true).unwrap().unwrap();
        assert_eq!((found.len(), found[0].version.as_str(), started.exists()), (1, "5.2-1", true));
        script(directory.path(), "/usr/bin/rpm", "exit 1");
        assert!(packages(&root, true).unwrap().unwrap_err().contains("/usr/bin/rpm failed"));
    }

    /// Makes a package with rpmbuild and installs it into a database below `root`, with Debian's `rpm`.
    fn install(root: &Path) {
        let run = |program: &str, arguments: &[&str]| {
            let output = Command::new(program)
                .args(arguments)
                .env("HOME", root)
                .output()
                .unwrap_or_else(|error| panic!("{program}: {error}; install Debian's package rpm"));
            assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8(output.stdout).unwrap()
        };
        let files: String = (0..300).map(|number| format!("/usr/share/tiny/a-file-with-a-long-name-{number}\n")).collect();
        let spec = format!(
            "Name: Tiny_Tool\nEpoch: 2\nVersion: 1.5\nRelease: 3.test\nSummary: x\nLicense: x\nVendor: Example Corp\nBuildArch: noarch\n\
             %description\nx\n%install\nmkdir -p %{{buildroot}}/usr/share/tiny\nfor n in $(seq 0 299); do echo $n > %{{buildroot}}/usr/share/tiny/a-file-with-a-long-name-$n; done\n%files\n{files}"
        );
        let spec_file = root.join("tiny.spec");
        std::fs::write(&spec_file, spec).unwrap();
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        run("/usr/bin/rpmbuild", &["-bb", "--define", &format!("_topdir {}", text(&root.join("build"))), &text(&spec_file)]);
        let package = root.join("build/RPMS/noarch/Tiny_Tool-1.5-3.test.noarch.rpm");
        let database = text(&root.join("var/lib/rpm"));
        run("/usr/bin/rpm", &["--dbpath", &database, "--initdb"]);
        run("/usr/bin/rpm", &["--dbpath", &database, "--justdb", "--nodeps", "-i", &text(&package)]);
        let arguments: Vec<&str> = ["--dbpath", &database].into_iter().chain(child::RPM.arguments.iter().copied()).collect();
        std::fs::write(root.join("expected"), run("/usr/bin/rpm", &arguments)).unwrap();
    }

    #[test]
    fn a_real_database_is_read_as_rpm_reads_it() {
        let directory = tempfile::tempdir().unwrap();
        install(directory.path());
        let found = packages(&Root::new(directory.path()), false).unwrap().unwrap();
        let expected = rpm::listed(&std::fs::read(directory.path().join("expected")).unwrap());
        assert_eq!(found, expected);
        let wanted: BTreeSet<String> =
            ["/usr/share/tiny/a-file-with-a-long-name-7", "/usr/share/other/a-file-with-a-long-name-7"].map(str::to_owned).into();
        let owners = owners(&Root::new(directory.path()), &wanted);
        assert_eq!(owners.into_iter().collect::<Vec<_>>(), [("/usr/share/tiny/a-file-with-a-long-name-7".into(), "Tiny_Tool".into())]);
        let package = &found[0];
        assert_eq!(
            (package.name.as_str(), package.version.as_str(), package.architecture.as_deref()),
            ("Tiny_Tool", "2:1.5-3.test", Some("noarch"))
        );
        assert!(package.installed_at.is_some() && package.size_bytes.is_some_and(|size| size > 300));
        assert_eq!(package.publisher.as_deref(), Some("Example Corp"));
    }
}
