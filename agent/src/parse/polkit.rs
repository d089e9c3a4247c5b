//! Whom polkit lets act as administrators.

use super::text::{clean, lines};

/// The identities that the first `addAdminRule` of a rules file names in a literal list: `unix-group:sudo`, `unix-user:ada`. `None` where
/// the file has no such rule, so that the next file counts. A rule that computes its answer names nothing here: it is a program.
pub fn rules(bytes: &[u8]) -> Option<Vec<String>> {
    let text: String =
        String::from_utf8_lossy(bytes).lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    let rule = text.split_once("addAdminRule")?.1;
    let body = rule.split("addRule").next()?;
    // More than one answer depends on something.
    let mut answers = body.split("return").skip(1);
    let (answer, others) = (answers.next(), answers.next());
    let list = answer.filter(|_| others.is_none()).and_then(|answer| answer.trim_start().strip_prefix('[')?.split_once(']'));
    Some(list.map(|(list, _)| identities(list, &[','])).unwrap_or_default())
}

/// `AdminIdentities` of a file of `localauthority.conf.d`, as polkit before 0.106 has it; the last one counts.
pub fn local_authority(bytes: &[u8]) -> Option<Vec<String>> {
    let value = |line: &[u8]| Some(String::from_utf8_lossy(line.trim_ascii().strip_prefix(b"AdminIdentities=")?).into_owned());
    lines(bytes).filter_map(value).last().map(|list| identities(&list, &[';', ',']))
}

fn identities(list: &str, separators: &[char]) -> Vec<String> {
    let identity = |entry: &str| clean(entry.trim().trim_matches(['"', '\'']).as_bytes()).filter(|entry| entry.starts_with("unix-"));
    list.split(separators).filter_map(identity).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literal_lists_are_read_and_programs_are_not() {
        let cases: &[(&str, Option<&[&str]>)] = &[
            // As Debian and Fedora ship it.
            ("polkit.addAdminRule(function(action, subject) {\n    return [\"unix-group:sudo\"];\n});\n", Some(&["unix-group:sudo"])),
            (
                "polkit.addAdminRule(function(a, s) { return ['unix-group:wheel', 'unix-user:ada']; });",
                Some(&["unix-group:wheel", "unix-user:ada"]),
            ),
            (
                "// polkit.addAdminRule(function(a, s) { return [\"unix-group:x\"]; });\npolkit.addRule(function(a, s) { return polkit.Result.YES; });",
                None,
            ),
            ("polkit.addAdminRule(function(a, s) { if (a.id) { return [\"unix-user:eve\"]; } return [\"unix-group:x\"]; });", Some(&[])),
            ("polkit.addAdminRule(function(a, s) { return names; });", Some(&[])),
        ];
        for (text, expected) in cases {
            let found = rules(text.as_bytes());
            assert_eq!(found.as_ref().map(|found| found.iter().map(String::as_str).collect::<Vec<_>>()).as_deref(), *expected, "{text}");
        }
        let old = b"[Configuration]\nAdminIdentities=unix-user:0\nAdminIdentities=unix-group:sudo;unix-group:admin\n";
        assert_eq!(local_authority(old).unwrap(), ["unix-group:sudo", "unix-group:admin"]);
        assert_eq!(local_authority(b"[Configuration]\n"), None);
    }

    proptest::proptest! {
        #[test]
        fn no_input_panics(bytes: Vec<u8>, text in "(addAdminRule|return|\\[|\\]|\"unix-group:a\"|,|//|\n| ){0,24}") {
            rules(&bytes);
            rules(text.as_bytes());
            local_authority(&bytes);
        }
    }
}
