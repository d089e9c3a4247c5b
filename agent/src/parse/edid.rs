//! EDID: what a monitor says of itself, 128 bytes and extensions.

use rollcall_shared::wire::v1::Monitor;

use super::text::clean;

const HEADER: [u8; 8] = [0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00];
const BLOCK: usize = 128;
/// Four descriptors of 18 bytes each: timings, or text.
const DESCRIPTORS: std::ops::Range<usize> = 54..126;
const DESCRIPTOR: usize = 18;

/// The first block of an EDID, without the connector. `None` if it is none or its sum is wrong.
pub fn monitor(bytes: &[u8]) -> Option<Monitor> {
    let block = bytes.get(..BLOCK)?;
    let sum = block.iter().fold(0_u8, |sum, &byte| sum.wrapping_add(byte));
    if !block.starts_with(&HEADER) || sum != 0 {
        return None;
    }
    let descriptors = || block[DESCRIPTORS].chunks_exact(DESCRIPTOR);
    let text = |tag: u8| {
        let found = descriptors().find(|descriptor| descriptor[..3] == [0, 0, 0] && descriptor[3] == tag)?;
        clean(found[5..].split(|&byte| byte == b'\n').next()?)
    };
    let timing = descriptors().next().filter(|descriptor| descriptor[..2] != [0, 0]);
    let number = u32::from_le_bytes(block[12..16].try_into().ok()?);
    let (width_mm, height_mm) = size(timing, block[21], block[22]).unzip();
    Some(Monitor {
        connector: String::new(),
        manufacturer_id: maker(u16::from_be_bytes([block[8], block[9]]))?,
        product_id: format!("{:04x}", u16::from_le_bytes([block[10], block[11]])),
        name: text(0xfc),
        serial: text(0xff).or_else(|| (!matches!(number, 0 | 0x0101_0101 | u32::MAX)).then(|| number.to_string())),
        year: (block[17] > 0).then(|| 1990 + u16::from(block[17])),
        width_mm,
        height_mm,
        resolution: timing.map(|timing| {
            // The low eight bits stand in one byte, the high four in the upper half of another.
            let pixels = |low: usize, high: usize| u32::from(timing[low]) | u32::from(timing[high] >> 4) << 8;
            format!("{}x{}", pixels(2, 4), pixels(5, 7))
        }),
    })
}

/// Three letters of five bits each.
fn maker(packed: u16) -> Option<String> {
    let letter =
        |shift: u16| u8::try_from(packed >> shift & 0x1f).ok().filter(|code| (1..=26).contains(code)).map(|code| char::from(b'@' + code));
    Some([letter(10)?, letter(5)?, letter(0)?].iter().collect())
}

/// Width and height in millimetres: exact in a timing, else in centimetres.
fn size(timing: Option<&[u8]>, width_cm: u8, height_cm: u8) -> Option<(u32, u32)> {
    let exact = timing.map(|timing| {
        let width = u32::from(timing[12]) | u32::from(timing[14] >> 4) << 8;
        let height = u32::from(timing[13]) | u32::from(timing[14] & 0x0f) << 8;
        (width, height)
    });
    exact.filter(|&(width, height)| width > 0 && height > 0).or_else(|| {
        // One of them alone is a ratio.
        (width_cm > 0 && height_cm > 0).then(|| (u32::from(width_cm) * 10, u32::from(height_cm) * 10))
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A 27 inch monitor with a name and a serial number.
    pub(crate) fn edid() -> Vec<u8> {
        let mut block = vec![0; BLOCK];
        block[..8].copy_from_slice(&HEADER);
        // D, E, L; product a0c5; serial number as number; week 12 of 2021.
        block[8..18].copy_from_slice(&[0x10, 0xac, 0xc5, 0xa0, 0x4c, 0x31, 0x32, 0x30, 12, 31]);
        block[21..23].copy_from_slice(&[60, 34]);
        block[54..72].copy_from_slice(&[0x56, 0x5e, 0x00, 0xa0, 0xa0, 0xa0, 0x29, 0x50, 0x30, 0x20, 0x35, 0, 0x55, 0x50, 0x21, 0, 0, 0x1a]);
        block[72..90].copy_from_slice(b"\0\0\0\xff\0ABC1234\n     ");
        block[90..108].copy_from_slice(b"\0\0\0\xfc\0DELL U2722D\n ");
        let sum = block.iter().fold(0_u8, |sum, &byte| sum.wrapping_add(byte));
        block[127] = 0_u8.wrapping_sub(sum);
        block
    }

    #[test]
    fn a_monitor_is_told() {
        let found = monitor(&edid()).unwrap();
        assert_eq!((found.manufacturer_id.as_str(), found.product_id.as_str(), found.year), ("DEL", "a0c5", Some(2021)));
        assert_eq!((found.name.as_deref(), found.serial.as_deref()), (Some("DELL U2722D"), Some("ABC1234")));
        assert_eq!((found.width_mm, found.height_mm, found.resolution.as_deref()), (Some(597), Some(336), Some("2560x1440")));
    }

    #[test]
    fn damage_is_noticed() {
        let whole = edid();
        for at in 0..BLOCK {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x10;
            assert_eq!(monitor(&damaged), None, "byte {at}");
        }
        assert_eq!(monitor(&whole[..127]), None);
    }

    proptest::proptest! {
        #[test]
        fn no_input_panics(mut bytes in proptest::collection::vec(proptest::num::u8::ANY, BLOCK)) {
            bytes[..8].copy_from_slice(&HEADER);
            let sum = bytes[..127].iter().fold(0_u8, |sum, &byte| sum.wrapping_add(byte));
            bytes[127] = 0_u8.wrapping_sub(sum);
            monitor(&bytes);
        }
    }
}
