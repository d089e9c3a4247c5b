//! The spool against a model of it, with both processes crashing, losing messages and finding damage.

use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt, path::Path};

use proptest::{prelude::*, sample::Index};
use rollcall_shared::{
    Digest, DocumentId, Timestamp,
    wire::v1::{Exchange, Section, SectionStatus},
};
use uuid::Uuid;

use super::*;
use crate::clock::LocalTime;

fn at(millis: i64) -> LocalTime {
    LocalTime { local: Timestamp::from_millis(millis), since_boot: millis, boot_id: "boot".to_owned() }
}

fn section(content: u8) -> Section {
    let json = format!("\"{content}\"");
    let digest = Digest::of(json.as_bytes());
    let data = serde_json::value::RawValue::from_string(json).unwrap();
    Section { status: SectionStatus::Ok, collected_at: Timestamp::default(), duration_ms: 1, digest, data }
}

fn draft(number: u64, contents: &[u8]) -> Draft {
    let mut draft = Draft::new(&at(5));
    for (index, content) in contents.iter().enumerate() {
        draft.add(&format!("s{index}"), &section(*content)).unwrap();
    }
    draft.numbered(number, Counts { superseded: number, ..Counts::default() });
    draft
}

fn upload(body: &[u8]) -> Upload {
    let exchange = Exchange { counter: 3, nonce: Uuid::nil() };
    Upload { header: UploadHeader { document_id: DocumentId(Uuid::nil()), exchange, sections: vec!["s0".into()] }, body: body.to_vec() }
}

fn spool(limit: u64) -> (tempfile::TempDir, Spool) {
    let directory = tempfile::tempdir().unwrap();
    let spool = Spool::new(directory.path().join("spool"), limit);
    spool.prepare(&[Role::Reader, Role::Sender]).unwrap();
    (directory, spool)
}

/// What a process may do, or what may happen to it.
#[derive(Clone, Debug)]
enum Step {
    Collect(Vec<u8>),
    Upload(Vec<u8>),
    Clear,
    Acknowledge,
    /// Bytes of a file are cut off, or one bit turns.
    Cut(Index, Index),
    Flip(Index, Index),
    /// A process starts anew, and puts its own side in order.
    RestartReader,
    RestartSender,
    /// It stopped in the middle of writing.
    Leftover(Index),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let contents = || prop::collection::vec(any::<u8>(), 0..4);
    let step = prop_oneof![
        3 => contents().prop_map(Step::Collect),
        2 => prop::collection::vec(any::<u8>(), 0..2_000).prop_map(Step::Upload),
        1 => Just(Step::Clear),
        2 => Just(Step::Acknowledge),
        1 => any::<(Index, Index)>().prop_map(|(file, place)| Step::Cut(file, place)),
        1 => any::<(Index, Index)>().prop_map(|(file, place)| Step::Flip(file, place)),
        1 => Just(Step::RestartReader),
        1 => Just(Step::RestartSender),
        1 => any::<Index>().prop_map(Step::Leftover),
    ];
    prop::collection::vec(step, 1..40)
}

/// What each file must be: what was written last, or damaged.
#[derive(Clone, Debug, PartialEq)]
enum Held<T> {
    Nothing,
    Whole(T),
    Damaged,
}

impl<T> Held<T> {
    fn damage(&mut self) {
        if matches!(self, Self::Whole(_)) {
            *self = Self::Damaged;
        }
    }

    fn repair(&mut self) {
        if matches!(self, Self::Damaged) {
            *self = Self::Nothing;
        }
    }
}

#[test]
fn what_was_announced_is_believed_only_whole_and_within_bounds() {
    let (_directory, spool) = spool(1 << 20);
    let device = |number: u32| Announced {
        address: std::net::Ipv4Addr::from_bits(0x0a00_0000 | number).into(),
        name: Some("printer".to_owned()),
        model: None,
        software: None,
        services: vec!["_ipp._tcp".to_owned()],
    };
    let files = spool.sender();
    assert_eq!(files.announced().unwrap(), []);
    files.set_announced(&[device(1), device(2)]).unwrap();
    assert_eq!(files.announced().unwrap(), [device(1), device(2)]);
    let path = spool.directory().join(SENDER).join(ANNOUNCED);
    let mut bytes = fs::read(&path).unwrap();
    if let Some(last) = bytes.last_mut() {
        *last ^= 1;
    }
    fs::write(&path, bytes).unwrap();
    assert!(matches!(files.announced(), Err(SpoolError::Damaged { .. })));
    assert_eq!(files.remove_damaged(), 1);
    // What the other half could not have written is refused, sealed or not.
    files.set_announced(&(0..2_000).map(device).collect::<Vec<_>>()).unwrap();
    assert!(matches!(files.announced(), Err(SpoolError::Damaged { .. })));
    files.clear_announced().unwrap();
    assert_eq!(files.announced().unwrap(), []);
}

const FILES: [(&str, &str); 3] = [(READER, INVENTORY), (SENDER, UPLOAD), (SENDER, ACKNOWLEDGED)];

struct Model {
    inventory: Held<(u64, Vec<u8>)>,
    upload: Held<Vec<u8>>,
    acknowledged: Held<BTreeMap<String, Digest>>,
}

impl Model {
    fn damage(&mut self, file: usize) {
        match file {
            0 => self.inventory.damage(),
            1 => self.upload.damage(),
            _ => self.acknowledged.damage(),
        }
    }
}

fn check(spool: &Spool, model: &Model) {
    match (spool.reader().inventory(), &model.inventory) {
        (Ok(None), Held::Nothing) | (Err(SpoolError::Damaged { .. }), Held::Damaged) => {}
        (Ok(Some(found)), Held::Whole((number, contents))) => {
            assert_eq!((found.number(), found.counts().superseded), (*number, *number));
            assert_eq!(found.digests().count(), contents.len());
            for (index, content) in contents.iter().enumerate() {
                let expected = section(*content);
                let found = found.section(&format!("s{index}")).unwrap().unwrap();
                assert_eq!((found.data.get(), found.digest, found.status), (expected.data.get(), expected.digest, expected.status));
            }
        }
        (found, expected) => panic!("inventory: {found:?} and not {expected:?}"),
    }
    match (spool.sender().upload(), &model.upload) {
        (Ok(None), Held::Nothing) | (Err(SpoolError::Damaged { .. }), Held::Damaged) => {}
        (Ok(Some(found)), Held::Whole(body)) => assert_eq!(found, upload(body)),
        (found, expected) => panic!("upload: {found:?} and not {expected:?}"),
    }
    match (spool.sender().acknowledged(), &model.acknowledged) {
        (Err(SpoolError::Damaged { .. }), Held::Damaged) => {}
        (Ok(found), Held::Nothing) => assert_eq!(found, Acknowledged::default()),
        (Ok(found), Held::Whole(sections)) => assert_eq!(&found.sections, sections),
        (found, expected) => panic!("acknowledged: {found:?} and not {expected:?}"),
    }
    assert!(spool.used() <= spool.limit());
}

fn run(steps: Vec<Step>) {
    // Small enough that uploads are refused now and then.
    let (_directory, spool) = spool(3_000);
    let mut model = Model { inventory: Held::Nothing, upload: Held::Nothing, acknowledged: Held::Nothing };
    let mut number = 0;
    let path_of = |file: usize| spool.directory().join(FILES[file].0).join(FILES[file].1);
    for step in steps {
        match step {
            Step::Collect(contents) => {
                number += 1;
                if spool.reader().set_inventory(&draft(number, &contents)).is_ok() {
                    model.inventory = Held::Whole((number, contents));
                }
            }
            Step::Upload(body) => match spool.sender().set_upload(&upload(&body)) {
                Ok(()) => model.upload = Held::Whole(body),
                Err(SpoolError::Full { .. }) => {}
                Err(error) => panic!("{error}"),
            },
            Step::Clear => {
                spool.sender().clear_upload().unwrap();
                model.upload = Held::Nothing;
            }
            Step::Acknowledge => {
                let Ok(Some(found)) = spool.reader().inventory() else { continue };
                let sections: BTreeMap<_, _> = found.digests().map(|(name, digest)| (name.to_owned(), digest)).collect();
                if spool.sender().set_acknowledged(&Acknowledged { sections: sections.clone(), next: None }).is_ok() {
                    model.acknowledged = Held::Whole(sections);
                }
            }
            Step::Cut(file, place) => {
                let file = file.index(FILES.len());
                let Ok(bytes) = fs::read(path_of(file)) else { continue };
                if bytes.is_empty() {
                    continue;
                }
                fs::write(path_of(file), &bytes[..place.index(bytes.len())]).unwrap();
                model.damage(file);
            }
            Step::Flip(file, place) => {
                let file = file.index(FILES.len());
                let Ok(mut bytes) = fs::read(path_of(file)) else { continue };
                // A second flip could undo the first.
                let whole = match file {
                    0 => matches!(model.inventory, Held::Whole(_)),
                    1 => matches!(model.upload, Held::Whole(_)),
                    _ => matches!(model.acknowledged, Held::Whole(_)),
                };
                if !whole {
                    continue;
                }
                let bit = place.index(bytes.len() * 8);
                bytes[bit / 8] ^= 1 << (bit % 8);
                fs::write(path_of(file), bytes).unwrap();
                model.damage(file);
            }
            Step::RestartReader => {
                let expected = u64::from(model.inventory == Held::Damaged);
                assert_eq!(spool.reader().remove_damaged(), expected);
                model.inventory.repair();
            }
            Step::RestartSender => {
                let expected = u64::from(model.upload == Held::Damaged) + u64::from(model.acknowledged == Held::Damaged);
                assert_eq!(spool.sender().remove_damaged(), expected);
                model.upload.repair();
                model.acknowledged.repair();
            }
            Step::Leftover(file) => {
                let (side, name) = FILES[file.index(FILES.len())];
                fs::write(spool.directory().join(side).join(format!(".{name}.new")), "half").unwrap();
            }
        }
        check(&spool, &model);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_what_is_read_is_what_was_written_last_or_refused(steps in steps()) {
        run(steps);
    }

    #[test]
    fn whatever_an_inventory_holds_reading_it_fails_or_not_but_does_no_more(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        if let Ok(snapshot) = Snapshot::from_content(bytes) {
            for (name, _) in snapshot.digests() {
                let _ = snapshot.section(name);
            }
        }
    }
}

/// A correct checksum says who wrote it only if nobody else could: what is inside is checked as well.
#[test]
fn a_sealed_inventory_that_lies_about_its_sections_is_refused() {
    let (_directory, spool) = spool(1 << 20);
    let good = draft(1, &[1, 2]);
    let header = String::from_utf8(good.header().unwrap()).unwrap();
    let replaced = |from: &str, to: &str| {
        let changed = header.replace(from, to);
        assert_ne!(changed, header, "{from}");
        [changed.as_bytes(), b"\n", good.packed()].concat()
    };
    let cases = [
        replaced("\"s1\"", "\"../s1\""),
        replaced("\"s1\"", "\"\""),
        replaced("\"offset\":0", "\"offset\":100000"),
        replaced("\"offset\":0", "\"offset\":18446744073709551615"),
        replaced("\"size\":3", "\"size\":99999999999"),
        replaced("\"format\":1", "\"format\":2"),
    ];
    for content in cases {
        let text = String::from_utf8_lossy(&content).into_owned();
        assert!(Snapshot::from_content(content).is_err(), "{text}");
    }
    // Unpacking stops at the size that was told.
    let bomb = Snapshot::from_content(replaced("\"size\":3", "\"size\":2")).unwrap();
    assert!(bomb.section("s0").is_err());
    spool.reader().set_inventory(&good).unwrap();
    assert!(spool.reader().inventory().unwrap().unwrap().section("none").unwrap().is_none());
}

#[test]
fn windows_survive_a_restart() {
    let (_directory, spool) = spool(1 << 20);
    let mut windows = spool.reader().windows().unwrap();
    windows.add(&[], Timestamp::from_millis(5));
    spool.reader().set_windows(&windows).unwrap();
    assert_eq!(spool.reader().windows().unwrap().to_stored().unwrap(), windows.to_stored().unwrap());
}

#[test]
fn directories_that_others_can_write_to_are_refused_with_the_repair() {
    let (_directory, spool) = spool(1 << 20);
    for (path, mode) in
        [(spool.directory().to_owned(), 0o777), (spool.directory().join(READER), 0o755), (spool.directory().join(SENDER), 0o770)]
    {
        let good = fs::metadata(&path).unwrap().permissions();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let error = spool.prepare(&[Role::Reader, Role::Sender]).unwrap_err().to_string();
        assert!(error.contains("next: ch") && error.contains(&path.display().to_string()), "{error}");
        fs::set_permissions(&path, good).unwrap();
    }
    spool.prepare(&[Role::Reader, Role::Sender]).unwrap();
}

/// A file system of a few hundred KiB that this test fills. Needs root, as the tests of namespaces do.
#[test]
fn on_a_full_disk_what_was_there_stands_and_goes_on_when_there_is_room() {
    assert!(rustix::process::geteuid().is_root(), "a small file system takes root to make: run this test as root");
    let directory = tempfile::tempdir().unwrap();
    let small = SmallDisk::new(directory.path());
    let spool = Spool::new(directory.path().join("spool"), 64 << 20);
    spool.prepare(&[Role::Reader, Role::Sender]).unwrap();
    let noise = |seed: u64| -> Vec<u8> { (0..150_000u64).map(|n| blake3::hash(&(n ^ seed << 32).to_le_bytes()).as_bytes()[0]).collect() };
    spool.sender().set_upload(&upload(&noise(1))).unwrap();
    spool.reader().set_inventory(&draft(1, &[1])).unwrap();
    let error = spool.sender().set_upload(&upload(&noise(2))).unwrap_err().to_string();
    assert!(error.contains("make room on that disk"), "{error}");
    assert_eq!(spool.sender().upload().unwrap(), Some(upload(&noise(1))));
    fs::write(directory.path().join("filler"), noise(3)).unwrap_err();
    assert!(spool.reader().set_inventory(&draft(2, &[2])).is_err());
    assert_eq!(spool.reader().inventory().unwrap().unwrap().number(), 1);
    fs::remove_file(directory.path().join("filler")).unwrap();
    spool.reader().set_inventory(&draft(2, &[2])).unwrap();
    assert_eq!(spool.reader().inventory().unwrap().unwrap().number(), 2);
    drop(small);
}

struct SmallDisk(std::path::PathBuf);

impl SmallDisk {
    fn new(path: &Path) -> Self {
        let mounted =
            std::process::Command::new("mount").args(["-t", "tmpfs", "-o", "size=256k,mode=0700", "tmpfs"]).arg(path).status().unwrap();
        assert!(mounted.success(), "mount ended with {mounted}");
        Self(path.to_owned())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg(&self.0).status();
    }
}
