/// What makers and installers leave where a value should be. Compared without case, spaces and punctuation.
const PLACEHOLDERS: &[&str] = &[
    "",
    "tobefilledbyoem",
    "tobefilled",
    "default",
    "defaultstring",
    "none",
    "null",
    "nil",
    "na",
    "notapplicable",
    "notavailable",
    "notspecified",
    "notset",
    "notprovided",
    "notpresent",
    "unknown",
    "undefined",
    "unspecified",
    "uninitialized",
    "empty",
    "invalid",
    "oem",
    "oemstring",
    "xxxx",
    "serial",
    "serialnumber",
    "serialno",
    "sn",
    "systemserialnumber",
    "systemuuid",
    "systemmanufacturer",
    "systemproductname",
    "systemname",
    "systemversion",
    "chassisserialnumber",
    "chassismanufacture",
    "chassismanufacturer",
    "baseboardserialnumber",
    "mbserialnumber",
    "boardserialnumber",
    "assettag",
    "noassettag",
    "noassetinformation",
    "atassettag",
    "manufacturer",
    "productname",
    "typeserialnumber",
    "123456789",
    "1234567890",
    "0123456789",
    "01234567890123456789ab",
    "0123456789abcdef",
    "1234567",
    "12345678",
    "01234567",
    "012345678",
    "localhost",
    "localhostlocaldomain",
    "badindex",
    "error",
    "emptystring",
    "standard",
    "virtualmachine",
    // SMBIOS UUIDs that a board maker forgot to replace, on thousands of machines each.
    "03000200040005000006000700080009",
    "00020003000400050006000700080009",
    "12345678123456789012345678901234",
    "12345678123412341234123456789abc",
    "123456781234567890abcdefabcdefab",
    "fefefefefefefefefefefefefefefefe",
    "4c4c4544000000000000000000000000",
];

/// Whether a value says nothing: empty, a known filler, or one character over and over.
pub fn is_placeholder(value: &str) -> bool {
    let bare: String = value.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    let first = bare.chars().next();
    PLACEHOLDERS.contains(&bare.as_str()) || bare.chars().all(|c| Some(c) == first)
}

#[cfg(test)]
mod tests {
    use super::is_placeholder;

    #[test]
    fn fillers_are_told_from_values() {
        for filler in [
            "",
            "  ",
            "To be filled by O.E.M.",
            "TO BE FILLED BY O.E.M",
            "Default string",
            "System Serial Number",
            "None",
            "N/A",
            "Not Specified",
            "0123456789",
            "00000000-0000-0000-0000-000000000000",
            "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF",
            "03000200-0400-0500-0006-000700080009",
            "XXXXXXXX",
            "..............",
            "0",
        ] {
            assert!(is_placeholder(filler), "{filler:?}");
        }
        for value in ["PF2ABCDE", "VMware-56 4d 1a", "4c4c4544-0042-3510-8052-b4c04f4e3332", "Dell Inc.", "日本"] {
            assert!(!is_placeholder(value), "{value:?}");
        }
    }
}
