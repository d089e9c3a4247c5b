//! What apt's repositories offer of what is installed: where it comes from, and what is newer.
//!
//! The lists are tens of megabytes. They are sorted: Debian's by the source that a package is built from, others by its own name. So
//! what is installed is looked up by bisection, a few short reads each; what is found is read whole and compared, so that a list
//! in another order loses hits and makes up none. Compressed lists cannot be searched and are passed over.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    os::unix::fs::FileExt,
};

use rollcall_shared::wire::v1::{Package, PendingUpdate};

use crate::{
    files::Root,
    parse::{
        apt_lists::{self, Release, compare_versions},
        text::clean,
    },
};

const LISTS: &str = "/var/lib/apt/lists";
/// What is read at once.
const BLOCK: usize = 4 << 10;
/// No package takes so much of a list.
const LONGEST: usize = 256 << 10;
/// Lists up to this size are read whole: those of small repositories, which need not be sorted.
const SMALL: u64 = 512 << 10;
/// Reads in all, about a microsecond each.
const MOST_READS: u32 = 12_000;
const MOST_LISTS: usize = 256;

/// What the lists told beyond the origins.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Offered {
    /// Whether there are lists at all.
    pub(super) has_lists: bool,
    /// What is newer than what is installed, as far as it was told.
    pub(super) pending: Vec<PendingUpdate>,
    /// Why that may not be all.
    pub(super) missing: Option<String>,
}

/// Notes where each of the packages comes from, and finds what is newer.
pub(super) fn search(root: &Root, packages: &mut [Package]) -> Offered {
    let names = root.names(LISTS).unwrap_or_default();
    let is_compressed = |name: &&String| name.contains("_Packages.");
    let compressed = names.iter().filter(is_compressed).count();
    let mut lists = lists(root, &names);
    let mut missing = None;
    if compressed > 0 {
        missing = Some(format!("{compressed} of apt's lists are compressed and cannot be searched in passing"));
    }
    let wanted = Wanted::new(packages);
    let mut reads = MOST_READS;
    let mut offers: BTreeMap<String, Vec<Offer>> = BTreeMap::new();
    // Small ones first: what is left to read goes to the large ones.
    lists.sort_by_key(|list| list.size);
    for (at, list) in lists.iter_mut().enumerate() {
        if list.search(&wanted, at, &mut offers, &mut reads).is_none() {
            missing = Some(format!("{} in {LISTS} was not searched to the end: it is too large, or sorted in an unknown way", list.words));
        }
    }
    for package in packages.iter_mut().filter(|package| package.kind == "deb") {
        package.origin = offers.get(&package.name).and_then(|offers| origin(package, offers, &lists));
    }
    let pending = match pins(root) {
        Some(file) => {
            missing = Some(format!("{file} prefers versions in a way that is not evaluated here"));
            Vec::new()
        }
        None => packages.iter().filter_map(|package| pending(package, offers.get(&package.name)?, &lists)).collect(),
    };
    Offered { has_lists: compressed > 0 || !lists.is_empty(), pending, missing }
}

/// The installed packages, by what lists are sorted by.
struct Wanted {
    names: BTreeSet<String>,
    /// The sources that they were built from.
    sources: BTreeSet<String>,
}

impl Wanted {
    fn new(packages: &[Package]) -> Self {
        let of_apt = || packages.iter().filter(|package| package.kind == "deb");
        let sources = of_apt().map(|package| package.source.clone().unwrap_or_else(|| package.name.clone()));
        Self { names: of_apt().map(|package| package.name.clone()).collect(), sources: sources.collect() }
    }

    fn has(&self, name: &[u8]) -> bool {
        std::str::from_utf8(name).is_ok_and(|name| self.names.contains(name))
    }
}

/// What a list is sorted by.
#[derive(Clone, Copy)]
enum Order {
    Name,
    Source,
}

impl Order {
    fn key<'a>(self, name: &'a [u8], source: &'a [u8]) -> &'a [u8] {
        match self {
            Self::Name => name,
            Self::Source => source,
        }
    }
}

/// A version in a list.
struct Offer {
    list: usize,
    version: String,
    architecture: String,
}

fn origin(package: &Package, offers: &[Offer], lists: &[List]) -> Option<String> {
    let is_it = |offer: &&Offer| offer.version == package.version && package.architecture.as_deref() == Some(offer.architecture.as_str());
    // What went from security updates into the next point release is in both.
    let found = offers.iter().filter(is_it).map(|offer| &lists[offer.list]).min_by_key(|list| (list.release.is_security(), &list.words))?;
    Some(found.words.clone())
}

/// The version that apt would upgrade to: the newest of the repositories that are candidates for it.
fn pending<'a>(package: &Package, offers: &'a [Offer], lists: &[List]) -> Option<PendingUpdate> {
    let fits = |offer: &&Offer| {
        package.architecture.as_deref().is_some_and(|own| own == offer.architecture || [own, &offer.architecture].contains(&"all"))
    };
    let is_newer = |offer: &Offer| compare_versions(&offer.version, &package.version).is_gt();
    let (usual, other): (Vec<&Offer>, Vec<&Offer>) = offers.iter().filter(fits).partition(|offer| !lists[offer.list].release.not_automatic);
    let newest = |mut newer: Vec<&'a Offer>| {
        newer.retain(|offer| is_newer(offer));
        newer.into_iter().max_by(|a, b| compare_versions(&a.version, &b.version).then_with(|| b.list.cmp(&a.list)))
    };
    let is_usual = usual.iter().any(|offer| offer.version == package.version);
    let from_elsewhere = || {
        let upgrades = |offer: &&Offer| !is_usual && lists[offer.list].release.but_automatic_upgrades;
        newest(other.iter().copied().filter(upgrades).collect())
    };
    let found = newest(usual.clone()).or_else(from_elsewhere)?;
    let security = usual.iter().filter(|offer| is_newer(offer)).any(|offer| lists[offer.list].release.is_security());
    Some(PendingUpdate {
        name: package.name.clone(),
        architecture: package.architecture.clone(),
        installed: package.version.clone(),
        available: found.version.clone(),
        origin: lists[found.list].words.clone(),
        security,
        held: package.held,
    })
}

/// A file that makes apt prefer other versions than the newest.
fn pins(root: &Root) -> Option<String> {
    const DIRECTORY: &str = "/etc/apt/preferences.d";
    const SETTINGS: &str = "/etc/apt/apt.conf.d";
    let says = |path: String, word: &str| root.text(&path).filter(|text| text.contains(word)).map(|_| path);
    let preferences = root.names(DIRECTORY).unwrap_or_default().into_iter().map(|name| format!("{DIRECTORY}/{name}"));
    // apt reads names without an extension and those that end in .pref.
    let counts = |path: &String| path.rsplit('/').next().is_some_and(|name| !name.contains('.') || name.ends_with(".pref"));
    preferences
        .filter(counts)
        .chain(["/etc/apt/preferences".to_owned()])
        .find_map(|path| says(path, "Pin-Priority"))
        .or_else(|| root.names(SETTINGS).unwrap_or_default().iter().find_map(|name| says(format!("{SETTINGS}/{name}"), "Default-Release")))
}

/// A list with the repository that it belongs to.
struct List {
    file: File,
    size: u64,
    release: Release,
    words: String,
    /// The first package at or after the beginning of a block. `None` behind the last one.
    blocks: BTreeMap<u64, Option<First>>,
}

struct First {
    at: u64,
    name: Vec<u8>,
    source: Vec<u8>,
}

/// The lists that can be searched.
fn lists(root: &Root, names: &[String]) -> Vec<List> {
    /// Before the sums of all files stands what is needed.
    const HEAD: u64 = 2 << 10;
    let release_of = |name: &String| name.strip_suffix("_InRelease").or_else(|| name.strip_suffix("_Release")).map(str::to_owned);
    let releases: BTreeMap<String, &String> = names.iter().filter_map(|name| Some((release_of(name)?, name))).collect();
    let list = |name: &String| {
        let stem = name.strip_suffix("Packages")?;
        let (prefix, file) =
            releases.iter().filter(|(prefix, _)| stem.strip_prefix(*prefix).is_some_and(|rest| rest.starts_with('_'))).max()?;
        let component = stem[prefix.len() + 1..].split("_binary-").next().unwrap_or_default().trim_end_matches('_');
        let release = apt_lists::release(&root.read_at(&format!("{LISTS}/{file}"), 0, HEAD).ok()?);
        let words = release.words(component).or_else(|| clean(prefix.split('_').next()?.as_bytes()))?;
        let file = File::open(root.path(&format!("{LISTS}/{name}"))).ok()?;
        let size = file.metadata().ok()?.len();
        // What lies around the few blocks that are read is of no use.
        #[cfg(target_os = "linux")]
        let _ = rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::Random);
        Some(List { file, size, release, words, blocks: BTreeMap::new() })
    };
    names.iter().filter(|name| name.ends_with("_Packages")).take(MOST_LISTS).filter_map(list).collect()
}

impl List {
    /// Adds what this list, number `at`, offers of the wanted packages. `None` if it was not searched to the end.
    fn search(&mut self, wanted: &Wanted, at: usize, offers: &mut BTreeMap<String, Vec<Offer>>, reads: &mut u32) -> Option<()> {
        if self.size <= SMALL {
            let mut part = self.read(0, usize::try_from(self.size).ok()?, reads)?;
            part.extend_from_slice(b"\n\n");
            each(&part, |offer| {
                if wanted.has(offer.name) {
                    note(offers, at, &offer);
                }
            });
            return Some(());
        }
        let order = self.order(reads)?;
        let keys = match order {
            Order::Name => &wanted.names,
            Order::Source => &wanted.sources,
        };
        keys.iter().try_for_each(|key| self.find(key.as_bytes(), order, wanted, at, offers, reads))
    }

    /// Goes forward from the last block that begins before `key` until there is more than that.
    fn find(
        &mut self,
        key: &[u8],
        order: Order,
        wanted: &Wanted,
        at: usize,
        offers: &mut BTreeMap<String, Vec<Offer>>,
        reads: &mut u32,
    ) -> Option<()> {
        let mut from = self.before(key, order, reads)?;
        let mut length = 2 * BLOCK;
        loop {
            let part = self.read(from, length, reads)?;
            let mut is_passed = false;
            let whole = each(&part, |offer| {
                let found = order.key(offer.name, offer.source);
                if found == key && wanted.has(offer.name) {
                    note(offers, at, &offer);
                }
                is_passed |= found > key;
            });
            if is_passed || from + part.len() as u64 >= self.size {
                return Some(());
            }
            if whole > 0 {
                from += whole as u64;
                length = 2 * BLOCK;
            } else if length < LONGEST {
                length *= 2;
            } else {
                return None;
            }
        }
    }

    /// What the list is sorted by, from some of its packages; `None` if by neither.
    fn order(&mut self, reads: &mut u32) -> Option<Order> {
        const SAMPLE: u64 = 64;
        let blocks = self.size.div_ceil(BLOCK as u64);
        let (mut names, mut sources) = (Vec::new(), Vec::new());
        for number in (0..SAMPLE).map(|sample| sample * blocks / SAMPLE) {
            if let Some(first) = self.block(number, reads)? {
                names.push(first.name.clone());
                sources.push(first.source.clone());
            }
        }
        match (names.is_sorted(), sources.is_sorted()) {
            (true, _) => Some(Order::Name),
            (false, true) => Some(Order::Source),
            (false, false) => None,
        }
    }

    /// Where a package begins from which on `key` would be found by going forward.
    fn before(&mut self, key: &[u8], order: Order, reads: &mut u32) -> Option<u64> {
        let (mut low, mut high) = (0, self.size.div_ceil(BLOCK as u64));
        while high - low > 1 {
            let middle = low.midpoint(high);
            let is_before = self.block(middle, reads)?.as_ref().is_some_and(|first| order.key(&first.name, &first.source) < key);
            if is_before { low = middle } else { high = middle }
        }
        Some(self.block(low, reads)?.as_ref().map_or(0, |first| first.at))
    }

    fn block(&mut self, number: u64, reads: &mut u32) -> Option<&Option<First>> {
        if !self.blocks.contains_key(&number) {
            // The empty line before a package may lie in the block before.
            let from = (number * BLOCK as u64).saturating_sub(2);
            let mut length = BLOCK;
            let first = loop {
                let part = self.read(from, length, reads)?;
                let found = apt_lists::first(&part, number == 0).and_then(|at| {
                    let heading = apt_lists::heading(&part[at..])?;
                    Some(First { at: from + at as u64, name: heading.name.to_vec(), source: heading.source.to_vec() })
                });
                if found.is_some() || part.len() < length {
                    break found;
                }
                length *= 2;
                if length > LONGEST {
                    return None;
                }
            };
            self.blocks.insert(number, first);
        }
        self.blocks.get(&number)
    }

    fn read(&self, from: u64, length: usize, reads: &mut u32) -> Option<Vec<u8>> {
        *reads = reads.checked_sub(u32::try_from(length.div_ceil(BLOCK)).ok()?)?;
        let mut part = vec![0; length];
        let mut filled = 0;
        while filled < length {
            match self.file.read_at(&mut part[filled..], from + filled as u64) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => return None,
            }
        }
        part.truncate(filled);
        Some(part)
    }
}

/// Calls with every whole package from the beginning of `part`, which begins with one; answers how long they are together.
fn each(part: &[u8], mut then: impl FnMut(apt_lists::Offer<'_>)) -> usize {
    let mut at = 0;
    while let Some(length) = memchr::memmem::find(&part[at..], b"\n\n") {
        if let Some(offer) = apt_lists::offer(&part[at..at + length + 2]) {
            then(offer);
        }
        at += length + 2;
    }
    at
}

fn note(offers: &mut BTreeMap<String, Vec<Offer>>, list: usize, offer: &apt_lists::Offer<'_>) {
    if let (Some(name), Some(version), Some(architecture)) = (clean(offer.name), clean(offer.version), clean(offer.architecture)) {
        offers.entry(name).or_default().push(Offer { list, version, architecture });
    }
}
