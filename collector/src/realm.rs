//! Network realms: addresses are compared within one realm only, so that private ranges that two sites both use never mix.

/// The realm of what names none.
pub(crate) const DEFAULT: &str = "default";

/// The realm of that name, or the usual one.
///
/// # Errors
/// What a name must be like.
pub(crate) fn checked(name: Option<&str>) -> Result<String, &'static str> {
    let name = name.unwrap_or(DEFAULT);
    let allowed = |character: char| character.is_ascii_alphanumeric() || "._-".contains(character);
    match (1..=64).contains(&name.len()) && name.chars().all(allowed) {
        true => Ok(name.to_owned()),
        false => Err("a realm's name has 1 to 64 letters, digits, . _ -"),
    }
}
