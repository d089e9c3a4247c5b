//! `/proc/asound/cards`

use rollcall_shared::wire::v1::SoundCard;

use super::text::{clean, lines, number};

/// The cards, in the order of the file. Of the two lines for each the second tells where in memory the card is.
pub fn sound_cards(bytes: &[u8]) -> Vec<SoundCard> {
    let card = |line: &[u8]| {
        let open = memchr::memchr(b'[', line)?;
        let close = open + memchr::memchr(b']', &line[open..])?;
        // ` 0 [PCH            ]: HDA-Intel - HDA Intel PCH`
        let told = clean(line[close + 1..].trim_ascii_start().strip_prefix(b":")?);
        let (driver, name) = told.as_deref().and_then(|told| told.split_once(" - ")).unzip();
        Some(SoundCard {
            number: number(&line[..open])?,
            id: clean(&line[open + 1..close])?,
            driver: driver.map(str::to_owned),
            name: name.map(str::to_owned),
        })
    };
    lines(bytes).filter_map(card).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cards_are_told() {
        let found = sound_cards(
            b" 0 [PCH            ]: HDA-Intel - HDA Intel PCH\n                      HDA Intel PCH at 0xb1218000 irq 144\n\
              29 [ThinkPadEC     ]: ThinkPad EC - ThinkPad Console Audio Control\n                      at EC reg 0x30\n",
        );
        let seen: Vec<_> = found.iter().map(|card| (card.number, card.id.as_str(), card.driver.as_deref(), card.name.as_deref())).collect();
        assert_eq!(
            seen,
            [
                (0, "PCH", Some("HDA-Intel"), Some("HDA Intel PCH")),
                (29, "ThinkPadEC", Some("ThinkPad EC"), Some("ThinkPad Console Audio Control"))
            ]
        );
        assert_eq!(sound_cards(b"--- no soundcards ---\n"), []);
    }

    proptest::proptest! {
        #[test]
        fn no_input_panics(bytes: Vec<u8>) {
            sound_cards(&bytes);
        }
    }
}
