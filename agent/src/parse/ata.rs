//! What a SATA disk says of itself, in the page that the kernel keeps of it: `/sys/block/sda/device/vpd_pg89` (SAT, "ATA
//! information"), which holds the disk's answer to IDENTIFY DEVICE.

use super::text::clean;

/// A disk's own words.
#[derive(Debug, Default, PartialEq)]
pub struct Ata {
    /// Model, not cut to the 16 characters that SCSI has.
    pub model: Option<String>,
    /// Serial number.
    pub serial: Option<String>,
    /// Firmware revision, not cut to four characters.
    pub firmware: Option<String>,
    /// Turns a minute; `None` for what does not turn.
    pub rotations_per_minute: Option<u32>,
    /// Width of the case.
    pub form: Option<&'static str>,
}

/// The page. `None` if it is none.
pub fn information(page: &[u8]) -> Option<Ata> {
    const PAGE: u8 = 0x89;
    const IDENTITY: std::ops::Range<usize> = 60..572;
    (*page.get(1)? == PAGE).then_some(())?;
    let identity = page.get(IDENTITY)?;
    let word = |number: usize| u16::from_le_bytes([identity[number * 2], identity[number * 2 + 1]]);
    // The first character of each word stands in its upper half.
    let text = |words: std::ops::Range<usize>| clean(&words.flat_map(|number| word(number).to_be_bytes()).collect::<Vec<_>>());
    Some(Ata {
        serial: text(10..20),
        firmware: text(23..27),
        model: text(27..47),
        rotations_per_minute: Some(u32::from(word(217))).filter(|turns| (0x0401..0xffff).contains(turns)),
        form: match word(168) & 0x0f {
            1 => Some("5.25in"),
            2 => Some("3.5in"),
            3 => Some("2.5in"),
            4 => Some("1.8in"),
            6 => Some("msata"),
            7 => Some("m.2"),
            _ => None,
        },
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The page of a disk with platters.
    pub(crate) fn page() -> Vec<u8> {
        let mut page = vec![0; 572];
        page[1] = 0x89;
        let mut put = |word: usize, length: usize, text: &str| {
            let mut bytes = text.as_bytes().to_vec();
            bytes.resize(length, b' ');
            for (number, pair) in bytes.chunks(2).enumerate() {
                let at = 60 + (word + number) * 2;
                (page[at], page[at + 1]) = (pair[1], pair[0]);
            }
        };
        put(10, 20, "WD-WCC6Y0AB");
        put(23, 8, "80.00A80");
        put(27, 40, "WDC WD40EFRX-68N32N0");
        page[60 + 217 * 2..60 + 217 * 2 + 2].copy_from_slice(&5_400u16.to_le_bytes());
        page[60 + 168 * 2] = 2;
        page
    }

    #[test]
    fn a_disk_is_told_in_full() {
        let found = information(&page()).unwrap();
        assert_eq!((found.model.as_deref(), found.firmware.as_deref()), (Some("WDC WD40EFRX-68N32N0"), Some("80.00A80")));
        assert_eq!((found.serial.as_deref(), found.rotations_per_minute, found.form), (Some("WD-WCC6Y0AB"), Some(5_400), Some("3.5in")));
        assert_eq!(information(&page()[..571]), None);
        assert_eq!(information(&[0; 572]), None);
    }

    proptest::proptest! {
        #[test]
        fn no_input_panics(mut bytes in proptest::collection::vec(proptest::num::u8::ANY, 560..580)) {
            bytes[1] = 0x89;
            information(&bytes);
        }
    }
}
