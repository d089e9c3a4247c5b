use super::attribute::Source;

/// What an observed connection is for, and who says so: why it is as hard as it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// What it is for.
    pub purpose: Purpose,
    /// Who judged.
    pub by: Judge,
    /// Why, in a sentence with the values that decided.
    pub reason: String,
}

/// Who judged what a connection is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judge {
    /// What is known of one of its ends: a daemon that everybody knows, or a port that means one thing.
    Signature,
    /// How many others the dependent talks to in the same way.
    Pattern,
    /// Somebody; it stays so until it is released.
    Person(Source),
}

impl Judge {
    /// Whether it stands against everything that is observed.
    pub const fn is_person(&self) -> bool {
        matches!(self, Self::Person(_))
    }

    /// Reads the form that [`Judge`] displays as; `None` if it is none.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "signature" => Some(Self::Signature),
            "pattern" => Some(Self::Pattern),
            _ => Source::parse(text).map(Self::Person),
        }
    }
}

impl std::fmt::Display for Judge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Signature => f.write_str("signature"),
            Self::Pattern => f.write_str("pattern"),
            Self::Person(source) => source.fmt(f),
        }
    }
}

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Purpose {
    /// The dependent's own work.
    Work,
    /// Somebody or something on the machine; nobody knows which service.
    Unattributed,
    /// Asking for names.
    NameService,
    /// Asking for the time.
    Time,
    /// Asking who somebody is and what they may.
    Directory,
    /// Looking whether others work.
    Monitoring,
    /// Sending logs.
    Logging,
    /// Saving data.
    Backup,
    /// People or tools that look after machines.
    Administration,
    /// Keeping machines as they are described.
    ConfigurationManagement,
    /// Fetching newer software.
    Updates,
    /// Keeping a copy of what another holds.
    Replication,
}

impl Purpose {
    /// Every purpose.
    pub const ALL: [Self; 12] = [
        Self::Work,
        Self::Unattributed,
        Self::NameService,
        Self::Time,
        Self::Directory,
        Self::Monitoring,
        Self::Logging,
        Self::Backup,
        Self::Administration,
        Self::ConfigurationManagement,
        Self::Updates,
        Self::Replication,
    ];

    /// The name in data and API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Work => "work",
            Self::Unattributed => "unattributed",
            Self::NameService => "name_service",
            Self::Time => "time",
            Self::Directory => "directory",
            Self::Monitoring => "monitoring",
            Self::Logging => "logging",
            Self::Backup => "backup",
            Self::Administration => "administration",
            Self::ConfigurationManagement => "configuration_management",
            Self::Updates => "updates",
            Self::Replication => "replication",
        }
    }

    /// The reverse of [`Purpose::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|purpose| purpose.as_str() == text)
    }

    /// Whether it serves the running of machines, not the work that they are there for.
    pub const fn is_infrastructure(self) -> bool {
        !matches!(self, Self::Work | Self::Unattributed | Self::Replication)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn judges_and_purposes_round_trip_as_text() {
        for judge in [Judge::Signature, Judge::Pattern, Judge::Person(Source::User("ada".into()))] {
            assert_eq!(Judge::parse(&judge.to_string()), Some(judge));
        }
        for purpose in Purpose::ALL {
            assert_eq!(Purpose::parse(purpose.as_str()), Some(purpose));
        }
        assert_eq!((Judge::parse("nobody"), Purpose::parse("")), (None, None));
    }
}
