//! Packages of rpm: the headers in its database, and what rpm itself answers.

use rollcall_shared::{Timestamp, wire::v1::Package};

use super::text::{clean, lines, number};

/// A package's header as the database keeps it: two counts, an index of 16 bytes a tag, and what the tags hold. `None` if it is damaged,
/// or one of the keys that rpm keeps among the packages.
pub fn header(blob: &[u8]) -> Option<Package> {
    /// Numbers of four bytes, of eight, text, text in several languages.
    const INT32: u32 = 4;
    const INT64: u32 = 5;
    const STRING: u32 = 6;
    const I18N_STRING: u32 = 9;
    let entries = usize::try_from(be32(blob, 0)?).ok()?;
    let index = blob.get(8..8_usize.checked_add(entries.checked_mul(16)?)?)?;
    let store = blob.get(8 + index.len()..)?;
    let mut fields = Fields::default();
    for entry in index.chunks_exact(16) {
        let (tag, kind, at) = (be32(entry, 0)?, be32(entry, 4)?, usize::try_from(be32(entry, 8)?).ok()?);
        let text = || match kind {
            STRING | I18N_STRING => clean(store.get(at..)?.split(|&byte| byte == 0).next()?),
            _ => None,
        };
        let number = || match kind {
            INT32 => be32(store, at).map(u64::from),
            INT64 => Some(u64::from_be_bytes(store.get(at..at.checked_add(8)?)?.try_into().ok()?)),
            _ => None,
        };
        match tag {
            1_000 => fields.name = text(),
            1_001 => fields.version = text(),
            1_002 => fields.release = text(),
            1_003 => fields.epoch = number(),
            1_008 => fields.installed_at = number(),
            // The long one is there only for what does not fit into the short one.
            1_009 => fields.size = fields.size.or(number()),
            5_009 => fields.size = number(),
            1_011 => fields.vendor = text(),
            1_015 => fields.packager = text(),
            1_022 => fields.architecture = text(),
            _ => {}
        }
    }
    fields.package()
}

/// The package of a header, and the path of one of its files by its number.
pub fn file(blob: &[u8], number: usize) -> Option<(String, String)> {
    const NAME: u32 = 1_000;
    const DIRECTORY_NUMBERS: u32 = 1_116;
    const FILE_NAMES: u32 = 1_117;
    const DIRECTORIES: u32 = 1_118;
    let entries = usize::try_from(be32(blob, 0)?).ok()?;
    let index = blob.get(8..8_usize.checked_add(entries.checked_mul(16)?)?)?;
    let store = blob.get(8 + index.len()..)?;
    // Where what a tag holds begins, and how many of it there are.
    let of = |wanted: u32| {
        let entry = index.chunks_exact(16).find(|entry| be32(entry, 0) == Some(wanted))?;
        let count = usize::try_from(be32(entry, 12)?).ok()?;
        Some((store.get(usize::try_from(be32(entry, 8)?).ok()?..)?, count))
    };
    let text = |wanted: u32, number: usize| {
        let (texts, count) = of(wanted)?;
        (number < count).then_some(())?;
        clean(texts.split(|&byte| byte == 0).nth(number)?)
    };
    let (directories, count) = of(DIRECTORY_NUMBERS)?;
    (number < count).then_some(())?;
    let directory = usize::try_from(be32(directories, number.checked_mul(4)?)?).ok()?;
    Some((text(NAME, 0)?, format!("{}{}", text(DIRECTORIES, directory)?, text(FILE_NAMES, number)?)))
}

/// What the program in [`crate::child::RPM`] answers: a package a line, its fields separated by tabs.
pub fn listed(bytes: &[u8]) -> Vec<Package> {
    let package = |line: &[u8]| {
        let fields: Vec<&[u8]> = line.split(|&byte| byte == b'\t').collect();
        let [name, epoch, version, release, architecture, vendor, packager, size, installed_at] = fields[..] else { return None };
        let text = |field: &[u8]| clean(field).filter(|text| text != "(none)");
        let fields = Fields {
            name: text(name),
            epoch: number(epoch).filter(|epoch| *epoch > 0),
            version: text(version),
            release: text(release),
            architecture: text(architecture),
            vendor: text(vendor),
            packager: text(packager),
            size: number(size),
            installed_at: number(installed_at),
        };
        fields.package()
    };
    lines(bytes).filter_map(package).collect()
}

#[derive(Default)]
struct Fields {
    name: Option<String>,
    epoch: Option<u64>,
    version: Option<String>,
    release: Option<String>,
    architecture: Option<String>,
    vendor: Option<String>,
    packager: Option<String>,
    size: Option<u64>,
    installed_at: Option<u64>,
}

impl Fields {
    fn package(self) -> Option<Package> {
        let name = self.name.filter(|name| name != "gpg-pubkey")?;
        let epoch = self.epoch.filter(|epoch| *epoch > 0).map(|epoch| format!("{epoch}:")).unwrap_or_default();
        let installed_at = self.installed_at.and_then(|seconds| i64::try_from(seconds).ok()?.checked_mul(1_000));
        Some(Package {
            kind: "rpm".to_owned(),
            name,
            version: format!("{epoch}{}-{}", self.version?, self.release?),
            architecture: self.architecture,
            publisher: self.vendor.or(self.packager),
            size_bytes: self.size,
            installed_at: installed_at.filter(|at| *at > 0).map(Timestamp::from_millis),
            ..Package::default()
        })
    }
}

fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_rpm_are_packages() {
        let found = listed(
            b"bash\t0\t5.2.26\t3.fc40\tx86_64\tFedora Project\tFedora Project\t8512410\t1713779290\n\
              NetworkManager\t1\t1.46.0\t2.fc40\tx86_64\t(none)\tada <ada@example.org>\t5928374\t(none)\n\
              gpg-pubkey\t0\ta15b79cc\t63d04c2c\t(none)\t(none)\tFedora\t0\t1713779290\nbroken\t1\n",
        );
        let seen: Vec<_> =
            found.iter().map(|package| (package.name.as_str(), package.version.as_str(), package.publisher.as_deref())).collect();
        assert_eq!(
            seen,
            [("bash", "5.2.26-3.fc40", Some("Fedora Project")), ("NetworkManager", "1:1.46.0-2.fc40", Some("ada <ada@example.org>"))]
        );
        assert_eq!((found[0].size_bytes, found[0].installed_at.map(Timestamp::as_millis)), (Some(8_512_410), Some(1_713_779_290_000)));
        assert_eq!(found[1].installed_at, None);
    }

    #[test]
    fn a_damaged_header_is_none() {
        // Name, version and release of one letter each.
        let mut blob = Vec::new();
        blob.extend([0, 0, 0, 3, 0, 0, 0, 6]);
        for (tag, at) in [(1_000_u32, 0_u32), (1_001, 2), (1_002, 4)] {
            blob.extend([tag, 6, at, 1].iter().flat_map(|number| number.to_be_bytes()));
        }
        blob.extend(b"a\x001\x002\0");
        let found = header(&blob).unwrap();
        assert_eq!((found.name.as_str(), found.version.as_str(), found.architecture), ("a", "1-2", None));
        for cut in 0..blob.len() - 2 {
            assert_eq!(header(&blob[..cut]), None, "cut at {cut}");
        }
        blob[8 + 8] = 0xff;
        assert_eq!(header(&blob), None);
    }

    proptest::proptest! {
        #[test]
        fn no_input_panics(bytes: Vec<u8>, entries in 0..4_u8) {
            header(&bytes);
            header(&[&[0, 0, 0, entries, 0, 0, 0, 0], &bytes[..]].concat());
            listed(&bytes);
            file(&bytes, 1);
            file(&[&[0, 0, 0, entries, 0, 0, 0, 0], &bytes[..]].concat(), 1);
        }
    }
}
