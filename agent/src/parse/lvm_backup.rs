//! What LVM notes of a volume group at each change: `/etc/lvm/backup/NAME`.

use std::collections::BTreeMap;

use rollcall_shared::wire::v1::{LogicalVolume, PhysicalVolume, VolumeGroup};

use super::text::lines;

const SECTOR: u64 = 512;
/// Groups are nested five deep at most.
const DEEPEST: usize = 16;

/// The volume group; `None` where the file is cut off or is none.
pub fn volume_group(bytes: &[u8]) -> Option<VolumeGroup> {
    let mut group = VolumeGroup::default();
    let mut physical = PhysicalVolume::default();
    let mut logical = Logical::default();
    let mut segment = Segment::default();
    // The names of the physical volumes in this file, and the extents that segments use of each.
    let mut names: Vec<String> = Vec::new();
    let mut used: BTreeMap<String, u64> = BTreeMap::new();
    let mut in_stripes = false;
    // The names of the sections that the line is in.
    let mut place: Vec<String> = Vec::new();
    let mut is_whole = false;
    for line in lines(bytes) {
        let line = String::from_utf8_lossy(line);
        let line = without_remark(&line).trim();
        if let Some(name) = line.strip_suffix('{') {
            (place.len() < DEEPEST).then_some(())?;
            place.push(name.trim().to_owned());
            continue;
        }
        let at: Vec<&str> = place.iter().map(String::as_str).collect();
        if in_stripes {
            segment.stripes.extend(quoted(line));
            in_stripes = !line.contains(']');
            continue;
        }
        if line == "}" {
            match at[..] {
                [_, "physical_volumes", name] => {
                    names.push(name.to_owned());
                    group.physical_volumes.push(std::mem::take(&mut physical));
                }
                [_, "logical_volumes", _, _] => std::mem::take(&mut segment).add_to(&mut used),
                [_, "logical_volumes", name] => {
                    let found = std::mem::take(&mut logical);
                    group.logical_volumes.extend(found.volume(name, group.extent_bytes));
                }
                [name] => {
                    group.name = name.to_owned();
                    is_whole = true;
                }
                _ => {}
            }
            place.pop()?;
            continue;
        }
        let Some((key, value)) = line.split_once('=').map(|(key, value)| (key.trim(), value.trim())) else { continue };
        let text = || super::text::clean(value.trim_matches('"').as_bytes());
        let number = || value.parse::<u64>().ok();
        match (&at[..], key) {
            ([_], "id") => group.uuid = text(),
            ([_], "extent_size") => group.extent_bytes = number().and_then(|sectors| sectors.checked_mul(SECTOR)),
            ([_, "physical_volumes", _], "id") => physical.uuid = text(),
            ([_, "physical_volumes", _], "device") => physical.device = text(),
            ([_, "physical_volumes", _], "device_size") => physical.size_bytes = number().and_then(|sectors| sectors.checked_mul(SECTOR)),
            ([_, "logical_volumes", _], "id") => logical.uuid = text(),
            ([_, "logical_volumes", _], "status") => logical.is_visible = value.contains("\"VISIBLE\""),
            ([_, "physical_volumes", _], "pe_count") => physical.extents = number(),
            ([_, "logical_volumes", _, _], "extent_count") => {
                segment.extents = number().unwrap_or(0);
                logical.extents = logical.extents.saturating_add(segment.extents);
            }
            ([_, "logical_volumes", _, _], "type") => {
                segment.is_striped = text().as_deref() == Some("striped");
                logical.layout = logical.layout.take().or_else(text);
            }
            ([_, "logical_volumes", _, _], "stripes") => {
                segment.stripes.extend(quoted(value));
                in_stripes = !value.contains(']');
            }
            _ => {}
        }
    }
    for (volume, name) in group.physical_volumes.iter_mut().zip(&names) {
        let used = used.get(name).copied().unwrap_or(0);
        volume.free_extents = volume.extents.and_then(|extents| extents.checked_sub(used));
    }
    (is_whole && place.is_empty()).then_some(group)
}

/// A part of a logical volume. Those that are striped lie on physical volumes (one stripe is a plain one), all others on other
/// logical volumes.
#[derive(Default)]
struct Segment {
    is_striped: bool,
    extents: u64,
    stripes: Vec<String>,
}

impl Segment {
    fn add_to(self, used: &mut BTreeMap<String, u64>) {
        let Some(each) = self.extents.checked_div(self.stripes.len() as u64).filter(|_| self.is_striped) else { return };
        for name in self.stripes {
            let sum = used.entry(name).or_default();
            *sum = sum.saturating_add(each);
        }
    }
}

/// What stands in quotes.
fn quoted(text: &str) -> impl Iterator<Item = String> + '_ {
    text.split('"').skip(1).step_by(2).map(str::to_owned)
}

#[derive(Default)]
struct Logical {
    uuid: Option<String>,
    is_visible: bool,
    extents: u64,
    layout: Option<String>,
}

impl Logical {
    fn volume(self, name: &str, extent_bytes: Option<u64>) -> Option<LogicalVolume> {
        let size_bytes = extent_bytes.and_then(|size| size.checked_mul(self.extents));
        self.is_visible.then(|| LogicalVolume { name: name.to_owned(), uuid: self.uuid, layout: self.layout, size_bytes })
    }
}

/// A number sign in quotes begins none.
fn without_remark(line: &str) -> &str {
    let mut in_quotes = false;
    for (at, character) in line.char_indices() {
        match character {
            '"' => in_quotes = !in_quotes,
            '#' if !in_quotes => return &line[..at],
            _ => {}
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKUP: &str = r#"# Generated by LVM2 version 2.03.16(2): Sat May 18 10:00:00 2024
contents = "Text Format Volume Group"
version = 1
description = "Created *after* executing 'lvcreate -n root # {'"
creation_time = 1716026400
vg0 {
	id = "Wg2bY1-AbCd-0000-0000-0000-0000-000001"
	seqno = 3
	status = ["RESIZEABLE", "READ", "WRITE"]
	extent_size = 8192		# 4 Megabytes
	physical_volumes {
		pv0 {
			id = "PvPvPv-0001"
			device = "/dev/sda3"	# Hint only
			device_size = 2097152	# 1024 Megabytes
			pe_start = 2048
			pe_count = 255	# 1020 Megabytes
		}
	}
	logical_volumes {
		root {
			id = "LvLvLv-0001"
			status = ["READ", "WRITE", "VISIBLE"]
			segment_count = 2
			segment1 {
				start_extent = 0
				extent_count = 100	# 400 Megabytes
				type = "striped"
				stripes = [
					"pv0", 0
				]
			}
			segment2 {
				extent_count = 28
				type = "striped"
				stripes = ["pv0", 100]
			}
		}
		root_rmeta_0 {
			id = "LvLvLv-0002"
			status = ["READ", "WRITE"]
			segment1 {
				extent_count = 1
			}
		}
	}
}
"#;

    #[test]
    fn a_volume_group_is_told() {
        let found = volume_group(BACKUP.as_bytes()).unwrap();
        assert_eq!((found.name.as_str(), found.extent_bytes), ("vg0", Some(4 << 20)));
        assert_eq!((found.physical_volumes[0].device.as_deref(), found.physical_volumes[0].size_bytes), (Some("/dev/sda3"), Some(1 << 30)));
        let [root] = &found.logical_volumes[..] else { panic!("{found:?}") };
        assert_eq!((root.name.as_str(), root.size_bytes, root.layout.as_deref()), ("root", Some(512 << 20), Some("striped")));
        assert_eq!((found.physical_volumes[0].extents, found.physical_volumes[0].free_extents), (Some(255), Some(127)));
    }

    #[test]
    fn what_is_cut_off_is_none() {
        let cut = BACKUP.len() - 3;
        assert_eq!(volume_group(&BACKUP.as_bytes()[..cut]), None);
        assert_eq!(volume_group(b"}"), None);
        assert_eq!(volume_group(&b"a {\n".repeat(1_000)), None);
    }

    proptest::proptest! {
        #[test]
        fn no_input_panics(bytes: Vec<u8>) {
            volume_group(&bytes);
        }
    }
}
