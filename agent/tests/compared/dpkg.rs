//! `dpkg-query`.

use super::{
    machine::output_of,
    rule::{Fact, Rule},
};

pub(crate) fn facts() -> Vec<Fact> {
    const FIELDS: [&str; 8] =
        ["Version", "Architecture", "Installed-Size", "Maintainer", "Section", "source:Package", "Homepage", "Essential"];
    let format = FIELDS.map(|field| format!("${{{field}}}\\t")).concat();
    let arguments = ["-W", "-f", &format!("${{db:Status-Abbrev}}\\t${{Package}}\\t{format}\\n")];
    let mut facts = Vec::new();
    for line in output_of("dpkg", "dpkg-query", &arguments).lines() {
        let mut values = line.split('\t');
        let (Some(status), Some(name)) = (values.next(), values.next()) else { continue };
        // Removed packages whose configuration is still there are not installed.
        if !status.starts_with("ii") && !status.starts_with("hi") {
            continue;
        }
        let values: Vec<&str> = values.collect();
        let architecture = values.get(1).copied().unwrap_or_default();
        for (field, value) in FIELDS.iter().zip(&values) {
            if !value.is_empty() {
                facts.push(Fact::new([name, architecture, field], value));
            }
        }
    }
    facts
}

pub(crate) const RULES: &[Rule] = &[
    Rule::same("*/*/Version", "packages.packages[kind=deb,name=$1,architecture=$2].version"),
    Rule::same("*/*/Architecture", "packages.packages[kind=deb,name=$1,architecture=$2].architecture"),
    Rule::as_("*/*/Installed-Size", "packages.packages[kind=deb,name=$1,architecture=$2].size_bytes", kibibytes),
    Rule::same("*/*/Maintainer", "packages.packages[kind=deb,name=$1,architecture=$2].publisher"),
    Rule::not("*/*/Section", "where an archive files it; no question is answered by it"),
    Rule::not("*/*/source:Package", "the package URL names the binary package"),
    Rule::not("*/*/Homepage", "for people who look for the project; not sent for each package of each machine"),
    Rule::not("*/*/Essential", "the same on every machine with that package"),
];

fn kibibytes(value: &str) -> Option<String> {
    Some((value.parse::<u64>().ok()? * 1024).to_string())
}
