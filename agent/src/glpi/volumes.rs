//! LVM, as `physical_volumes`, `volume_groups` and `logical_volumes`, from what LVM noted at its last change. What the format
//! requires and that does not tell is not made up: such an entry is left out.

use rollcall_shared::wire::v1::{PhysicalVolume, Storage, VolumeGroup};
use serde_json::{Value, json};

use super::{Source, megabytes};

pub(super) fn physical(source: &Source<'_>) -> Option<Value> {
    let groups = groups(source)?;
    let volumes = groups.iter().flat_map(|group| {
        group.physical_volumes.iter().filter_map(|volume| {
            let (extents, free) = extents(volume)?;
            Some(json!({
                "device": volume.device.as_deref()?,
                "format": "lvm2",
                "free": megabytes(group.extent_bytes?.checked_mul(free)?),
                "pe_size": megabytes(group.extent_bytes?),
                "pv_pe_count": extents,
                "pv_uuid": volume.uuid.as_deref()?,
                "size": megabytes(volume.size_bytes?),
                "vg_uuid": group.uuid,
            }))
        })
    });
    Some(volumes.collect())
}

pub(super) fn groups_of_volumes(source: &Source<'_>) -> Option<Value> {
    let groups = groups(source)?;
    let groups = groups.iter().filter_map(|group| {
        let sum = |sum: (u64, u64), volume| {
            let (extents, free) = extents(volume)?;
            Some((sum.0.checked_add(extents)?, sum.1.checked_add(free)?))
        };
        let (extents, free) = group.physical_volumes.iter().try_fold((0, 0), sum)?;
        let extent = group.extent_bytes?;
        Some(json!({
            "free": megabytes(extent.checked_mul(free)?),
            "lv_count": group.logical_volumes.len(),
            "pv_count": group.physical_volumes.len(),
            "size": megabytes(extent.checked_mul(extents)?),
            "vg_extent_size": format!("{}.{:02}", extent / 1_000_000, extent % 1_000_000 / 10_000),
            "vg_name": group.name,
            "vg_uuid": group.uuid.as_deref()?,
        }))
    });
    Some(groups.collect())
}

pub(super) fn logical(source: &Source<'_>) -> Option<Value> {
    let groups = groups(source)?;
    let volumes = groups.iter().flat_map(|group| {
        group.logical_volumes.iter().filter_map(|volume| {
            Some(json!({
                "lv_name": volume.name,
                "lv_uuid": volume.uuid.as_deref()?,
                "size": megabytes(volume.size_bytes?),
                "vg_name": group.name,
                "vg_uuid": group.uuid,
            }))
        })
    });
    Some(volumes.collect())
}

fn groups(source: &Source<'_>) -> Option<Vec<VolumeGroup>> {
    source.get::<Storage>().map(|storage| storage.volume_groups)
}

/// All extents of a volume, and those that are free.
fn extents(volume: &PhysicalVolume) -> Option<(u64, u64)> {
    Some((volume.extents?, volume.free_extents?))
}
