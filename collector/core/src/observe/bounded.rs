use std::borrow::Cow;

use rollcall_shared::Digest;

/// Characters of a text that something is recognised or catalogued by.
const MOST: usize = 400;

/// The text, or its beginning and its digest: what things are recognised by is indexed, and no machine may name one so long that it cannot be.
pub(crate) fn bounded(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(MOST) {
        None => Cow::Borrowed(text),
        Some((end, _)) => Cow::Owned(format!("{}…{}", &text[..end], Digest::of(text.as_bytes()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_stay_different_and_get_short() {
        let (a, b) = (format!("{}a", "é".repeat(8_000)), format!("{}b", "é".repeat(8_000)));
        assert_ne!(bounded(&a), bounded(&b));
        assert!(bounded(&a).chars().count() < 500);
        assert_eq!(bounded("unit:nginx.service"), "unit:nginx.service");
    }
}
