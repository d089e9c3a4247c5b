//! What clouds write into DMI, and what cloud-init notes of them.

use std::net::IpAddr;

use rollcall_shared::wire::v1::Cloud;
use serde::Deserialize;
use serde_json::Value;

use super::text::clean;

/// Which DMI value gives a cloud away, and which one holds its id for the instance.
struct Mark {
    provider: &'static str,
    /// The value's name and how it begins.
    value: (&'static str, &'static str),
    /// The value that is the instance's id.
    id: Option<&'static str>,
    /// The value that is the kind of instance.
    instance_type: Option<&'static str>,
}

const fn mark(provider: &'static str, value: (&'static str, &'static str), id: Option<&'static str>) -> Mark {
    Mark { provider, value, id, instance_type: None }
}

/// The more telling first: some clouds are built with OpenStack's products.
const MARKS: &[Mark] = &[
    Mark { provider: "aws", value: ("sys_vendor", "Amazon EC2"), id: Some("board_asset_tag"), instance_type: Some("product_name") },
    // Its older, Xen based instances.
    mark("aws", ("bios_version", "4.11.amazon"), None),
    mark("aws", ("bios_version", "4.2.amazon"), None),
    // A tag that Azure gives to all its machines and Hyper-V elsewhere does not.
    mark("azure", ("chassis_asset_tag", "7783-7084-3265-9085-8269-3286-77"), Some("product_uuid")),
    mark("gce", ("product_name", "Google Compute Engine"), None),
    mark("digitalocean", ("sys_vendor", "DigitalOcean"), Some("product_serial")),
    mark("hetzner", ("sys_vendor", "Hetzner"), Some("product_serial")),
    mark("oracle", ("chassis_asset_tag", "OracleCloud.com"), None),
    mark("aliyun", ("product_name", "Alibaba Cloud ECS"), None),
    mark("tencent", ("sys_vendor", "Tencent Cloud"), None),
    mark("vultr", ("sys_vendor", "Vultr"), None),
    mark("scaleway", ("sys_vendor", "Scaleway"), None),
    mark("upcloud", ("sys_vendor", "UpCloud"), None),
    mark("exoscale", ("product_name", "Exoscale"), None),
    mark("akamai", ("sys_vendor", "Akamai"), None),
    mark("akamai", ("sys_vendor", "Linode"), None),
    mark("brightbox", ("product_serial", "brightbox"), None),
    mark("ibmcloud", ("chassis_asset_tag", "ibmcloud"), None),
    mark("cloudstack", ("product_name", "CloudStack"), None),
    mark("nutanix", ("sys_vendor", "Nutanix"), None),
    mark("openstack", ("chassis_asset_tag", "OpenTelekomCloud"), Some("product_uuid")),
    mark("openstack", ("chassis_asset_tag", "HUAWEICLOUD"), Some("product_uuid")),
    mark("openstack", ("chassis_asset_tag", "SAP CCloud VM"), Some("product_uuid")),
    mark("openstack", ("product_name", "OpenStack Nova"), Some("product_uuid")),
    mark("openstack", ("product_name", "OpenStack Compute"), Some("product_uuid")),
];

/// The cloud that the values of `/sys/class/dmi/id` give away.
pub fn from_dmi(dmi: impl Fn(&str) -> Option<String>) -> Option<Cloud> {
    let mark = MARKS.iter().find(|mark| dmi(mark.value.0).is_some_and(|value| value.starts_with(mark.value.1)))?;
    let instance_id = mark.id.and_then(&dmi).map(|id| if mark.id == Some("product_uuid") { id.to_ascii_lowercase() } else { id });
    Some(Cloud {
        provider: mark.provider.to_owned(),
        // Of Amazon's ids nothing else may stand in that place.
        instance_id: instance_id.filter(|id| mark.provider != "aws" || id.starts_with("i-")),
        instance_type: mark.instance_type.and_then(&dmi),
        sources: vec!["dmi".to_owned()],
        ..Cloud::default()
    })
}

/// `/run/cloud-init/instance-data.json`. `None` where there was no cloud: the ids of those data sources are made up on the
/// machine, or copied with its image.
pub fn instance_data(bytes: &[u8]) -> Option<Cloud> {
    #[derive(Deserialize)]
    struct InstanceData {
        v1: V1,
        #[serde(default)]
        ds: Value,
    }
    #[derive(Deserialize)]
    struct V1 {
        cloud_name: Option<String>,
        instance_id: Option<String>,
        region: Option<String>,
        availability_zone: Option<String>,
    }
    const NO_CLOUDS: &[&str] = &["nocloud", "none", "unknown", "lxd", "configdrive", "not run", "wsl"];
    let InstanceData { v1, ds } = serde_json::from_slice(bytes).ok()?;
    let provider = clean(v1.cloud_name?.as_bytes()).filter(|name| !NO_CLOUDS.contains(&name.as_str()))?;
    let text = |pointers: &[&str]| {
        pointers.iter().find_map(|pointer| {
            let value = ds.pointer(pointer)?;
            let text = match value {
                Value::String(text) => text.clone(),
                Value::Number(number) => number.to_string(),
                _ => return None,
            };
            // What is secret is blanked out by cloud-init.
            clean(text.as_bytes()).filter(|text| !text.starts_with("redacted for"))
        })
    };
    let plain = |text: Option<String>| text.and_then(|text| clean(text.as_bytes()));
    let public = ["/meta_data/public-ipv4", "/meta_data/public_ipv4", "/meta_data/interfaces/public/0/ipv4/ip_address"];
    let public_addresses: Vec<IpAddr> = public.iter().filter_map(|pointer| text(&[pointer])?.parse().ok()).take(1).collect();
    Some(Cloud {
        instance_id: plain(v1.instance_id),
        region: plain(v1.region).or_else(|| text(&["/meta_data/region"])),
        zone: plain(v1.availability_zone),
        instance_type: text(&[
            "/meta_data/instance-type",
            "/meta_data/instance_type",
            "/meta_data/imds/compute/vmSize",
            "/meta_data/machine-type",
            "/meta_data/shape",
            "/dynamic/instance-identity/document/instanceType",
        ]),
        image_id: text(&["/meta_data/ami-id", "/meta_data/image-id", "/dynamic/instance-identity/document/imageId", "/meta_data/image"]),
        account_id: text(&[
            "/dynamic/instance-identity/document/accountId",
            "/meta_data/imds/compute/subscriptionId",
            "/meta_data/owner-account-id",
            "/meta_data/project_id",
            "/meta_data/compartmentId",
        ]),
        instance_name: text(&["/meta_data/imds/compute/name", "/meta_data/name", "/meta_data/displayName"]),
        public_addresses,
        sources: vec!["cloud_init".to_owned()],
        provider,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clouds_are_told_by_dmi() {
        type Values = &'static [(&'static str, &'static str)];
        let cases: &[(Values, &str, Option<&str>)] = &[
            (&[("sys_vendor", "Amazon EC2"), ("board_asset_tag", "i-0abc")], "aws", Some("i-0abc")),
            (&[("sys_vendor", "Amazon EC2"), ("board_asset_tag", "Not Specified")], "aws", None),
            (
                &[
                    ("chassis_asset_tag", "7783-7084-3265-9085-8269-3286-77"),
                    ("product_uuid", "ABCD"),
                    ("sys_vendor", "Microsoft Corporation"),
                ],
                "azure",
                Some("abcd"),
            ),
            (&[("product_name", "Google Compute Engine"), ("product_serial", "GoogleCloud-00")], "gce", None),
            (&[("sys_vendor", "DigitalOcean"), ("product_serial", "12345")], "digitalocean", Some("12345")),
            (&[("sys_vendor", "Hetzner"), ("product_serial", "4711")], "hetzner", Some("4711")),
            (&[("chassis_asset_tag", "OracleCloud.com")], "oracle", None),
            (&[("product_name", "OpenStack Nova"), ("product_uuid", "0F")], "openstack", Some("0f")),
        ];
        for (values, provider, id) in cases {
            let dmi = |name: &str| values.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
            let found = from_dmi(dmi).unwrap();
            assert_eq!((found.provider.as_str(), found.instance_id.as_deref()), (*provider, *id), "{values:?}");
        }
        let hyper_v = |name: &str| (name == "sys_vendor").then(|| "Microsoft Corporation".to_owned());
        assert_eq!(from_dmi(hyper_v), None);
    }

    #[test]
    fn cloud_init_tells_more() {
        let azure = br#"{"v1":{"cloud_name":"azure","instance_id":"0f-1","region":"westeurope","availability_zone":"2"},
            "ds":{"meta_data":{"imds":{"compute":{"vmSize":"Standard_D2s_v3","name":"web-1","subscriptionId":"8d10"}},"customData":"redacted for non-root user"}}}"#;
        let found = instance_data(azure).unwrap();
        assert_eq!((found.provider.as_str(), found.instance_type.as_deref()), ("azure", Some("Standard_D2s_v3")));
        assert_eq!(
            (found.zone.as_deref(), found.instance_name.as_deref(), found.account_id.as_deref()),
            (Some("2"), Some("web-1"), Some("8d10"))
        );
        let aws = br#"{"v1":{"cloud_name":"aws","instance_id":"i-0abc"},
            "ds":{"meta_data":{"instance-type":"t3.micro","ami-id":"ami-1","public-ipv4":"198.51.100.7"},"dynamic":{"instance-identity":{"document":{"accountId":"123"}}}}}"#;
        let found = instance_data(aws).unwrap();
        assert_eq!((found.image_id.as_deref(), found.account_id.as_deref()), (Some("ami-1"), Some("123")));
        assert_eq!(found.public_addresses, ["198.51.100.7".parse::<IpAddr>().unwrap()]);
        let blanked = br#"{"v1":{"cloud_name":"gce","instance_id":"1"},"ds":{"meta_data":{"instance-type":"redacted for non-root user"}}}"#;
        assert_eq!(instance_data(blanked).unwrap().instance_type, None);
        assert_eq!(instance_data(br#"{"v1":{"cloud_name":"none","instance_id":"iid-datasource-none"}}"#), None);
        assert_eq!(instance_data(b"{}"), None);
    }

    proptest::proptest! {
        #[test]
        fn no_input_panics(bytes: Vec<u8>) {
            instance_data(&bytes);
        }
    }
}
