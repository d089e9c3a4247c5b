//! Who can use the machine.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::SectionData;
use crate::time::Timestamp;

/// Local users and groups, who may administer the machine, and its ssh host keys. Passwords and their hashes are not read.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Accounts {
    /// Users in `/etc/passwd`, sorted by name. Those of a directory service are not listed.
    pub users: Vec<User>,
    /// Groups in `/etc/group`, sorted by name.
    pub groups: Vec<Group>,
    /// Public ssh host keys, sorted by type.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ssh_host_keys: Vec<SshHostKey>,
}

/// A local user.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct User {
    /// Login name.
    pub name: String,
    /// User id.
    pub id: u32,
    /// Primary group's id.
    pub group_id: u32,
    /// Full name, the first part of the GECOS field.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub full_name: Option<String>,
    /// Home directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub home: Option<String>,
    /// Login shell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shell: Option<String>,
    /// Why this user may administer the machine: `uid 0`, `group sudo`, `sudoers`, `polkit`; sorted. Empty where nothing says so.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub administrator: Vec<String>,
    /// The last login that the machine remembers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_login: Option<Login>,
}

/// A login.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Login {
    /// When, by the machine's clock, to the second.
    pub at: Timestamp,
    /// Terminal: `pts/0`, `tty1`, `:0`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub terminal: Option<String>,
    /// Where from, as the machine noted it: a host name or address. Absent for local logins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The file that tells: `wtmp`, `lastlog`, `lastlog2`, `wtmpdb`.
    pub source: String,
}

/// A local group.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Group {
    /// Name.
    pub name: String,
    /// Group id.
    pub id: u32,
    /// Members named in `/etc/group`, sorted; users whose primary group it is are not repeated here.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<String>,
    /// Whether its members may administer the machine.
    pub administrators: bool,
}

/// A public ssh host key.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct SshHostKey {
    /// Type: `ssh-ed25519`.
    pub kind: String,
    /// Fingerprint as ssh prints it: `SHA256:…`.
    pub fingerprint: String,
}

impl SectionData for Accounts {
    const NAME: &'static str = "accounts";

    /// A login moves the digest once a day (UTC) at most: a server that is logged in to every minute is no other machine.
    fn stable(&self) -> impl Serialize + '_ {
        const DAY: i64 = 24 * 60 * 60 * 1_000;
        let mut stable = self.clone();
        for login in stable.users.iter_mut().filter_map(|user| user.last_login.as_mut()) {
            *login = Login { at: Timestamp::from_millis(login.at.as_millis().div_euclid(DAY) * DAY), ..Login::default() };
        }
        stable
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_login_of_the_day_is_no_change_and_another_day_is() {
        let accounts = |seconds: i64, from: &str| {
            let login = Login { at: Timestamp::from_millis(seconds * 1_000), from: Some(from.into()), ..Login::default() };
            Accounts { users: vec![User { last_login: Some(login), ..User::default() }], ..Accounts::default() }
        };
        let stable = |accounts: Accounts| serde_json::to_string(&accounts.stable()).unwrap();
        assert_eq!(stable(accounts(10, "a")), stable(accounts(86_399, "b")));
        assert_ne!(stable(accounts(10, "a")), stable(accounts(86_400, "a")));
    }
}
