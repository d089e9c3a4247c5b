//! What a query string or a form carries.

use rollcall_shared::CiId;

/// Names and values in the order they came; a name may come several times.
#[derive(Clone, Debug, Default)]
pub(super) struct Fields(Vec<(String, String)>);

impl Fields {
    /// Reads `application/x-www-form-urlencoded`, of a query or a form.
    pub(super) fn parse(bytes: &[u8]) -> Self {
        Self(url::form_urlencoded::parse(bytes).into_owned().collect())
    }

    /// One more value.
    pub(super) fn add(&mut self, name: &str, value: &str) {
        self.0.push((name.to_owned(), value.to_owned()));
    }

    /// The value of that name without white space around it; empty if there is none.
    pub(super) fn get(&self, name: &str) -> &str {
        self.raw(name).trim()
    }

    /// The value of that name exactly as it came; empty if there is none.
    pub(super) fn raw(&self, name: &str) -> &str {
        self.0.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    /// Whether there is a value of that name, empty or not.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| known == name)
    }

    /// Every name with its value as it came.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// All values of that name.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.trim())
    }

    /// All values of that name that are ids of configuration items, each once.
    pub(super) fn cis(&self, name: &str) -> Vec<CiId> {
        let mut ids: Vec<CiId> = Vec::new();
        for id in self.all(name).filter_map(|text| text.parse().ok()) {
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
        ids
    }
}

/// A name as one part of a path.
pub(super) fn path_part(name: &str) -> String {
    askama::filters::urlencode_strict(name).map_or_else(|_| String::new(), |encoded| encoded.to_string())
}

/// A link to `path` with the pairs that have a value.
pub(super) fn link<'a>(path: &str, pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    let mut any = false;
    for (name, value) in pairs.into_iter().filter(|(_, value)| !value.is_empty()) {
        query.append_pair(name, value);
        any = true;
    }
    if any { format!("{path}?{}", query.finish()) } else { path.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_decoded_and_may_repeat() {
        let fields = Fields::parse(b"q=a%20b+c&ci=1&ci=00000000-0000-0000-0000-000000000001&ci=00000000-0000-0000-0000-000000000001");
        assert_eq!(fields.get("q"), "a b c");
        assert_eq!(fields.get("none"), "");
        assert_eq!(fields.cis("ci").len(), 1);
    }

    #[test]
    fn links_escape_what_they_carry() {
        assert_eq!(link("/items", [("q", r#"os="a&b""#), ("sort", "")]), "/items?q=os%3D%22a%26b%22");
        assert_eq!(link("/items", []), "/items");
    }
}
