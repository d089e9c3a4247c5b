//! How the machine is protected.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What protects the machine, and what lets others in.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Security {
    /// Whether firmware starts signed systems only; absent where it was not started by UEFI.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secure_boot: Option<bool>,
    /// Major version of the TPM, `2`; absent where the kernel knows none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tpm_version: Option<u32>,
    /// Whether this machine encrypts the device that the root file system lies on; absent where no file tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root_encrypted: Option<bool>,
    /// `selinux`, `apparmor`: mandatory access control in force, with its mode.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub access_control: Vec<AccessControl>,
    /// Firewalls, malware protection and remote control that are installed, sorted by kind and name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<SecurityTool>,
    /// How updates are installed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub update_policies: Vec<UpdatePolicy>,
    /// What the machine's configuration says of locking unattended screens, sorted by what is configured.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub screen_locks: Vec<ScreenLock>,
    /// Why the kernel calls itself tainted: `proprietary_module`, `out_of_tree_module`, `unsigned_module`, `died`, …
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub kernel_taints: Vec<String>,
    /// Loaded kernel modules, sorted by name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub kernel_modules: Vec<KernelModule>,
}

/// Mandatory access control.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct AccessControl {
    /// `selinux` or `apparmor`.
    pub name: String,
    /// `enforcing`, `permissive`, `enabled`, `disabled`.
    pub mode: String,
}

/// A program that protects the machine or gives others access to it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct SecurityTool {
    /// `firewall`, `antivirus`, `detection`, `remote_control`.
    pub kind: String,
    /// The product's name.
    pub name: String,
    /// Started with the machine; absent where no file tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// The file that says that it is here.
    pub evidence: String,
}

/// How one tool installs updates.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct UpdatePolicy {
    /// `apt`, `dnf-automatic`.
    pub tool: String,
    /// Whether it looks for updates by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checks: Option<bool>,
    /// Whether it installs them by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub installs: Option<bool>,
}

/// What one file or directory says of locking the screen. These are the machine's defaults: people may set otherwise for
/// themselves, unless it is enforced.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ScreenLock {
    /// What is configured: `gnome`, `cinnamon`, `mate`, `kde`, `xscreensaver`, `light-locker`, `logind`.
    pub what: String,
    /// Whether the screen is locked when nobody has used the machine for a while; absent where it does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locks: Option<bool>,
    /// After how long without use the screen blanks or the action is taken, seconds; 0 is never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_seconds: Option<u64>,
    /// How long after that it is locked, seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lock_delay_seconds: Option<u64>,
    /// Whether people are kept from setting otherwise; absent where it does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enforced: Option<bool>,
    /// The file or directory that says so.
    pub source: String,
}

/// A loaded kernel module.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct KernelModule {
    /// Name.
    pub name: String,
    /// Its own version, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Why it taints the kernel: `proprietary_module`, `out_of_tree_module`, `unsigned_module`, …
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub taints: Vec<String>,
}
