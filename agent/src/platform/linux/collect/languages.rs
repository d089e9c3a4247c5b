//! Packages that the package managers of programming languages installed for everybody; only where the agent's settings ask for them,
//! because machines that build software have thousands.

use rollcall_shared::wire::v1::Package;

use crate::{files::Root, parse::language_packages as parse};

/// What the setting `also-collect` calls them: there may be thousands.
pub(super) const EXTRA: &str = "language-packages";

/// Directories with a directory a version of Python, and what lies in them.
const PYTHON: &[(&str, &str)] = &[
    ("/usr/local/lib", "dist-packages"),
    ("/usr/local/lib", "site-packages"),
    ("/usr/local/lib64", "site-packages"),
    ("/usr/lib", "dist-packages"),
    ("/usr/lib", "site-packages"),
    ("/usr/lib64", "site-packages"),
];
const NPM: &[&str] = &["/usr/local/lib/node_modules", "/usr/lib/node_modules"];
const GEMS: &[&str] = &["/var/lib/gems", "/usr/local/lib/ruby/gems", "/usr/lib/ruby/gems", "/usr/share/ruby/gems"];
const MOST_METADATA: u64 = 256 << 10;
/// Of one language.
const MOST_PACKAGES: usize = 5_000;

/// The packages, and whether there are more.
pub(super) fn packages(root: &Root) -> (Vec<Package>, Option<String>) {
    let mut all = Vec::new();
    let mut missing = None;
    for (language, mut found) in [("Python", python(root)), ("npm", npm(root)), ("Ruby", gems(root))] {
        found.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
        found.dedup_by(|a, b| (&a.name, &a.version, &a.architecture) == (&b.name, &b.version, &b.architecture));
        if found.len() > MOST_PACKAGES {
            found.truncate(MOST_PACKAGES);
            missing = Some(format!("only the first {MOST_PACKAGES} packages of {language} are listed"));
        }
        all.extend(found);
    }
    (all, missing)
}

/// What a distribution packages lies beside what pip installs, in the same form; whoever imports it makes no difference.
fn python(root: &Root) -> Vec<Package> {
    let mut found = Vec::new();
    for (top, kind) in PYTHON {
        let versions = root.names(top).unwrap_or_default().into_iter().filter(|name| name.starts_with("python"));
        for directory in versions.map(|version| format!("{top}/{version}/{kind}")) {
            for name in root.names(&directory).unwrap_or_default() {
                let metadata = match name.rsplit('.').next() {
                    Some("dist-info") => format!("{directory}/{name}/METADATA"),
                    Some("egg-info") if root.names(&format!("{directory}/{name}")).is_ok() => format!("{directory}/{name}/PKG-INFO"),
                    Some("egg-info") => format!("{directory}/{name}"),
                    _ => continue,
                };
                // What it says first is enough, and it may go on with a whole manual.
                let package = root.read_at(&metadata, 0, MOST_METADATA).ok().and_then(|bytes| parse::python(&bytes));
                found.extend(package.map(|package| Package { installed_at: root.modified(&metadata), ..package }));
            }
        }
    }
    found
}

fn npm(root: &Root) -> Vec<Package> {
    let mut found = Vec::new();
    for top in NPM {
        for name in root.names(top).unwrap_or_default() {
            // A scope is a directory of packages.
            let directories = match name.starts_with('@') {
                true => root
                    .names(&format!("{top}/{name}"))
                    .unwrap_or_default()
                    .into_iter()
                    .map(|inner| format!("{top}/{name}/{inner}"))
                    .collect(),
                false => vec![format!("{top}/{name}")],
            };
            for manifest in directories.into_iter().map(|directory| format!("{directory}/package.json")) {
                let package = root.read_up_to(&manifest, MOST_METADATA).ok().and_then(|bytes| parse::npm(&bytes));
                found.extend(package.map(|package| Package { installed_at: root.modified(&manifest), ..package }));
            }
        }
    }
    found
}

fn gems(root: &Root) -> Vec<Package> {
    let mut found = Vec::new();
    for top in GEMS {
        for version in root.names(top).unwrap_or_default() {
            let directory = format!("{top}/{version}/specifications");
            // Those that come with Ruby are in a directory of their own.
            for directory in [directory.clone(), format!("{directory}/default")] {
                for name in root.names(&directory).unwrap_or_default() {
                    let package = parse::gem(&name);
                    found.extend(package.map(|package| Package { installed_at: root.modified(&format!("{directory}/{name}")), ..package }));
                }
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{super::Outcome, super::tests::collect_one, *};

    #[test]
    fn packages_of_every_language_are_found() {
        let files = [
            ("/usr/lib/python3/dist-packages/requests-2.28.1.egg-info/PKG-INFO", "Name: requests\nVersion: 2.28.1\n"),
            ("/usr/local/lib/python3.11/dist-packages/requests-2.31.0.dist-info/METADATA", "Name: requests\nVersion: 2.31.0\n"),
            ("/usr/lib/python3/dist-packages/six-1.16.0.egg-info", "Name: six\nVersion: 1.16.0\n"),
            ("/usr/lib/python3/dist-packages/requests/__init__.py", ""),
            ("/usr/local/lib/node_modules/npm/package.json", r#"{"name":"npm","version":"10.2.3"}"#),
            ("/usr/local/lib/node_modules/@angular/cli/package.json", r#"{"name":"@angular/cli","version":"17.0.1"}"#),
            ("/var/lib/gems/3.1.0/specifications/rails-7.1.2.gemspec", ""),
            ("/usr/lib/ruby/gems/3.1.0/specifications/default/json-2.6.1.gemspec", ""),
        ];
        let Outcome::Data(found) = collect_one(&files, |machine| Outcome::Data(packages(machine.root).0)) else { panic!("no data") };
        let seen: Vec<_> = found.iter().map(|package| format!("{} {} {}", package.kind, package.name, package.version)).collect();
        let expected = [
            "pypi requests 2.28.1",
            "pypi requests 2.31.0",
            "pypi six 1.16.0",
            "npm @angular/cli 17.0.1",
            "npm npm 10.2.3",
            "gem json 2.6.1",
            "gem rails 7.1.2",
        ];
        assert_eq!(seen, expected);
        assert!(found.iter().all(|package| package.installed_at.is_some()));
    }
}
