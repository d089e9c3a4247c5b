//! The history of dnf 4: `/var/lib/dnf/history.sqlite`, which tells from which repository a package came.

use std::collections::BTreeMap;

use super::{
    sqlite::{Database, Source, Value},
    text::clean,
};

/// What tells one installed package from all others: name, version as an inventory has it, architecture.
pub type Key = (String, String, String);

/// A [`Key`].
pub fn key(name: &str, version: &str, architecture: &str) -> Key {
    (name.to_owned(), version.to_owned(), architecture.to_owned())
}

/// What was installed is remembered for years; this many packages are understood.
const MOST: usize = 200_000;

/// The repository of each package that was ever installed, by what put it there last. `None` where the database is another one.
pub fn origins<S: Source>(database: &Database<S>) -> Option<BTreeMap<Key, String>> {
    /// Installed, downgraded to, replacing another, upgraded to, installed again.
    const BRINGS: [i64; 5] = [1, 2, 4, 6, 9];
    const DONE: i64 = 1;
    let mut repositories: BTreeMap<i64, String> = BTreeMap::new();
    let repo = database.table("repo")?;
    let id = repo.column("repoid")?;
    database.rows(&repo, |number, row| {
        let name = row.get(id).copied().and_then(Value::bytes).and_then(clean);
        if let Some(name) = name.filter(|_| repositories.len() < MOST) {
            repositories.insert(number, name);
        }
    })?;
    let items = database.table("trans_item")?;
    let (item, from) = (items.column("item_id")?, items.column("repo_id")?);
    let (action, state) = (items.column("action")?, items.column("state")?);
    // In the order in which it happened: the last one stands.
    let mut latest: BTreeMap<i64, i64> = BTreeMap::new();
    database.rows(&items, |_, row| {
        let number = |column: usize| row.get(column).copied().and_then(Value::integer);
        if let (Some(item), Some(from), Some(action), Some(DONE)) = (number(item), number(from), number(action), number(state))
            && BRINGS.contains(&action)
            && latest.len() < MOST
        {
            latest.insert(item, from);
        }
    })?;
    let rpm = database.table("rpm")?;
    let column = |name: &str| rpm.column(name);
    let (item, name, epoch) = (column("item_id")?, column("name")?, column("epoch")?);
    let (version, release, architecture) = (column("version")?, column("release")?, column("arch")?);
    let mut found = BTreeMap::new();
    database.rows(&rpm, |number, row| {
        let text = |column: usize| row.get(column).copied().and_then(Value::bytes).and_then(clean);
        // A column that is the row's own number is stored as nothing.
        let item = row.get(item).copied().and_then(Value::integer).unwrap_or(number);
        let origin = latest.get(&item).and_then(|from| repositories.get(from));
        if let (Some(origin), Some(name), Some(version), Some(release)) = (origin, text(name), text(version), text(release)) {
            let epoch = row.get(epoch).copied().and_then(Value::integer).filter(|epoch| *epoch > 0);
            let epoch = epoch.map(|epoch| format!("{epoch}:")).unwrap_or_default();
            found.insert(key(&name, &format!("{epoch}{version}-{release}"), &text(architecture).unwrap_or_default()), origin.clone());
        }
    })?;
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made with sqlite3 and the columns of dnf's tables: bash from two repositories in turn, with an upgrade that failed after that;
    /// vim with an epoch; a package that was removed again.
    const HISTORY: &[u8] = include_bytes!("../../tests/fixtures/sqlite/dnf-history.db");

    #[test]
    fn the_last_that_brought_a_package_tells_where_it_is_from() {
        let found = origins(&Database::open(HISTORY, 1 << 16).unwrap()).unwrap();
        let found: Vec<_> = found.iter().map(|((name, version, arch), origin)| format!("{name} {version} {arch} {origin}")).collect();
        assert_eq!(found, ["bash 5.2.26-3.fc40 x86_64 updates", "gone 1-1 noarch fedora", "vim-minimal 2:9.1.158-1.fc40 x86_64 fedora"]);
    }

    #[test]
    fn another_database_is_none() {
        let other = include_bytes!("../../tests/fixtures/sqlite/small-pages.db");
        assert_eq!(origins(&Database::open(&other[..], 1 << 16).unwrap()), None);
        for at in (0..HISTORY.len()).step_by(89) {
            let mut damaged = HISTORY.to_vec();
            damaged[at] ^= 0xff;
            if let Some(database) = Database::open(&damaged[..], 1 << 16) {
                let _ = origins(&database);
            }
        }
    }
}
