//! Package URLs (purl): the name of a package that vulnerability databases and bills of materials share.

use super::Package;

impl Package {
    /// The package URL on the distribution with this id and version (`os-release`), such as
    /// `pkg:deb/debian/curl@7.88.1-10?arch=amd64&distro=debian-12`. It follows from what is sent, so it is not sent itself.
    ///
    /// Packages of languages are the same on every distribution: `pkg:pypi/requests@2.31.0`.
    ///
    /// `None` for kinds that the purl specification has no type for (snap, flatpak), and for a distribution's packages where
    /// it is not known.
    pub fn package_url(&self, distribution: Option<&str>, distribution_version: Option<&str>) -> Option<String> {
        if let Some(name) = self.name_in_language() {
            return Some(format!("pkg:{}/{name}@{}", self.kind, encoded(&self.version)));
        }
        let kind = match self.kind.as_str() {
            "deb" | "apk" | "rpm" => self.kind.as_str(),
            "pacman" => "alpm",
            _ => return None,
        };
        let distribution = distribution.filter(|id| !id.is_empty())?.to_ascii_lowercase();
        let namespace = encoded(&distribution);
        // rpm has the epoch apart; everywhere else it belongs to the version.
        let (epoch, version) = match self.version.split_once(':') {
            Some((epoch, version)) if kind == "rpm" => (Some(epoch), version),
            _ => (None, self.version.as_str()),
        };
        let architecture = self.architecture.as_deref().map(|arch| format!("arch={}", encoded(arch)));
        let distro = distribution_version.map(|version| format!("distro={namespace}-{}", encoded(version)));
        let epoch = epoch.map(|epoch| format!("epoch={}", encoded(epoch)));
        let qualifiers: Vec<String> = [architecture, distro, epoch].into_iter().flatten().collect();
        let separator = if qualifiers.is_empty() { "" } else { "?" };
        let name = if kind == "rpm" { self.name.clone() } else { self.name.to_ascii_lowercase() };
        Some(format!("pkg:{kind}/{namespace}/{}@{}{separator}{}", encoded(&name), encoded(version), qualifiers.join("&")))
    }

    /// The name of a language's package as its package URL spells it.
    fn name_in_language(&self) -> Option<String> {
        match self.kind.as_str() {
            "pypi" => Some(encoded(&self.name.to_ascii_lowercase().replace('_', "-"))),
            // A scope is a namespace: what separates it from the name is not encoded.
            "npm" => Some(self.name.to_ascii_lowercase().split('/').map(encoded).collect::<Vec<_>>().join("/")),
            "gem" => Some(encoded(&self.name)),
            _ => None,
        }
    }
}

/// Percent-encoded but for what the specification leaves as it is.
fn encoded(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_' | b'~' | b':' => result.push(char::from(byte)),
            _ => result.push_str(&format!("%{byte:02X}")),
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_of_languages_need_no_distribution() {
        let cases = [
            (("pypi", "Typing_Extensions", "4.8.0"), "pkg:pypi/typing-extensions@4.8.0"),
            (("npm", "@angular/cli", "17.0.1"), "pkg:npm/%40angular/cli@17.0.1"),
            (("gem", "rails", "7.1.2"), "pkg:gem/rails@7.1.2"),
        ];
        for ((kind, name, version), expected) in cases {
            let package = Package { kind: kind.into(), name: name.into(), version: version.into(), ..Package::default() };
            assert_eq!(package.package_url(None, None).as_deref(), Some(expected));
        }
    }

    #[test]
    fn urls_follow_the_specification() {
        let cases = [
            (("deb", "libc6", "2.36-9+deb12u10", "amd64"), Some("pkg:deb/debian/libc6@2.36-9%2Bdeb12u10?arch=amd64&distro=debian-12")),
            (("deb", "openssh-server", "1:9.2p1-2", ""), Some("pkg:deb/debian/openssh-server@1:9.2p1-2?distro=debian-12")),
            (("deb", "g++", "4:12", ""), Some("pkg:deb/debian/g%2B%2B@4:12?distro=debian-12")),
            (("pacman", "bash", "5.2-1", "x86_64"), Some("pkg:alpm/debian/bash@5.2-1?arch=x86_64&distro=debian-12")),
            (
                ("rpm", "NetworkManager", "1:1.46-3", "x86_64"),
                Some("pkg:rpm/debian/NetworkManager@1.46-3?arch=x86_64&distro=debian-12&epoch=1"),
            ),
            (("snap", "core22", "1", ""), None),
        ];
        for ((kind, name, version, architecture), expected) in cases {
            let architecture = (!architecture.is_empty()).then(|| architecture.to_owned());
            let package = Package { kind: kind.into(), name: name.into(), version: version.into(), architecture, ..Package::default() };
            assert_eq!(package.package_url(Some("debian"), Some("12")).as_deref(), expected);
            assert_eq!(package.package_url(None, None), None);
        }
    }
}
