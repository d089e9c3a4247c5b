//! Which cloud this machine is an instance in: what cloud-init left, and what the cloud wrote into DMI.

use rollcall_shared::wire::v1::Cloud;

use super::{Machine, Outcome};
use crate::parse::{cloud, text::clean};

/// The larger of cloud-init's own files hold user data of up to 16 KiB and the metadata of many interfaces.
const MOST: u64 = 4 << 20;

pub(super) fn collect(machine: &Machine<'_>) -> Outcome<Cloud> {
    match found(machine) {
        Some(cloud) => Outcome::Data(cloud),
        None => Outcome::NotPresent("no cloud's name in DMI, and none in /run/cloud-init/instance-data.json".to_owned()),
    }
}

/// The cloud and its id for this instance, `aws:i-0abc`, where it gives one: an identity key.
pub(super) fn instance_id(machine: &Machine<'_>) -> Option<String> {
    let cloud = found(machine)?;
    clean(format!("{}:{}", cloud.provider, cloud.instance_id?).as_bytes())
}

fn found(machine: &Machine<'_>) -> Option<Cloud> {
    let from_cloud_init = || {
        // This one is for everybody to read: what is secret is blanked out in it.
        let bytes = machine.root.read_up_to("/run/cloud-init/instance-data.json", MOST).ok()?;
        cloud::instance_data(&bytes)
    };
    let from_dmi = cloud::from_dmi(|name| machine.dmi(name));
    match (from_cloud_init(), from_dmi) {
        (Some(found), Some(dmi)) if found.provider == dmi.provider => Some(Cloud {
            instance_id: found.instance_id.or(dmi.instance_id),
            instance_type: found.instance_type.or(dmi.instance_type),
            sources: vec!["cloud_init".to_owned(), "dmi".to_owned()],
            ..found
        }),
        // An image made elsewhere may still carry what cloud-init left there; DMI is the machine's own.
        (_, Some(dmi)) => Some(dmi),
        (found, None) => found,
    }
}

#[cfg(test)]
mod tests {
    use super::{super::tests::collect_one, *};

    #[test]
    fn cloud_init_and_dmi_add_up() {
        let files = [
            ("/sys/class/dmi/id/sys_vendor", "Amazon EC2\n"),
            ("/sys/class/dmi/id/product_name", "m5.large\n"),
            ("/sys/class/dmi/id/board_asset_tag", "i-0123456789abcdef0\n"),
            (
                "/run/cloud-init/instance-data.json",
                r#"{"v1":{"cloud_name":"aws","instance_id":"i-0123456789abcdef0","region":"eu-central-1"},"ds":{}}"#,
            ),
        ];
        let Outcome::Data(found) = collect_one(&files, collect) else { panic!("no data") };
        assert_eq!((found.provider.as_str(), found.instance_type.as_deref()), ("aws", Some("m5.large")));
        assert_eq!((found.region.as_deref(), found.sources.as_slice()), (Some("eu-central-1"), &["cloud_init".into(), "dmi".into()][..]));
        let id = |files: &[(&str, &str)]| match collect_one(files, |machine| Outcome::Data(instance_id(machine))) {
            Outcome::Data(id) => id,
            other => panic!("{other:?}"),
        };
        assert_eq!(id(&files).as_deref(), Some("aws:i-0123456789abcdef0"));
        assert_eq!(id(&files[..3]), id(&files), "the id is the same with and without cloud-init");
        assert_eq!(id(&[("/run/cloud-init/instance-data.json", r#"{"v1":{"cloud_name":"nocloud","instance_id":"i-1"}}"#)]), None);
        assert!(matches!(collect_one(&[], collect), Outcome::NotPresent(_)));
    }

    #[test]
    fn what_another_cloud_left_in_the_image_does_not_count() {
        let files = [
            ("/sys/class/dmi/id/sys_vendor", "Hetzner\n"),
            ("/sys/class/dmi/id/product_serial", "4711\n"),
            ("/run/cloud-init/instance-data.json", r#"{"v1":{"cloud_name":"aws","instance_id":"i-0abc"}}"#),
        ];
        let Outcome::Data(found) = collect_one(&files, collect) else { panic!("no data") };
        assert_eq!((found.provider.as_str(), found.instance_id.as_deref()), ("hetzner", Some("4711")));
    }
}
