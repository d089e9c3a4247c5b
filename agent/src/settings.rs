//! Settings: flags, then environment, then the configuration file, then what is built in.

use std::{
    fmt,
    marker::PhantomData,
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use anyhow::{Context, bail};
use serde::{Deserialize, Deserializer, de};
use url::Url;

use crate::{
    collect::{COLLECTORS, EXTRAS, Limits},
    permissions,
    proxy::ProxyRules,
    spool, state,
};

/// The configuration file that is read unless another one is named.
pub const USUAL_FILE: &str = "/etc/rollcall/agent.toml";

/// What is known of a setting.
#[derive(Debug)]
pub struct Known {
    /// Its name in the configuration file; with `--` before it, its flag.
    pub name: &'static str,
    /// Its environment variable.
    pub variable: &'static str,
    /// What holds unless it is set, as it would be written; empty for "not set".
    pub default: &'static str,
}

macro_rules! settings {
    ($( $(#[doc = $doc:literal])+ $(#[arg($($extra:tt)+)])? $field:ident: $kind:ty = $name:literal, $variable:literal, $default:literal, $shape:literal; )+) => {
        /// Every setting, where it is given. The same in the configuration file, as flags, and in the environment.
        #[derive(Clone, Debug, Default, PartialEq, clap::Args, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct Given {
            $(
                $(#[doc = $doc])+
                #[serde(rename = $name, deserialize_with = "from_text")]
                #[arg(
                    long = $name, global = true, hide_short_help = true, value_name = $shape,
                    help_heading = "Settings, also in the configuration file and in the environment",
                    help = concat!($($doc,)+ " [env: ", $variable, "] [default: ", $default, "]")
                    $(, $($extra)+)?
                )]
                pub $field: Option<$kind>,
            )+
        }

        /// Every setting that there is.
        pub const KNOWN: &[Known] = &[$(Known { name: $name, variable: $variable, default: $default },)+];

        impl Given {
            /// What is given here, and else what is given there.
            fn or(self, other: Self) -> Self {
                Self { $($field: self.$field.or(other.$field),)+ }
            }

            /// Each setting as it would be written, where it is given.
            pub fn texts(&self) -> Vec<(&'static Known, Option<String>)> {
                let texts = [$(self.$field.as_ref().map(ToString::to_string),)+];
                KNOWN.iter().zip(texts).collect()
            }

            /// From texts by name.
            fn from_texts(text_of: impl Fn(&Known) -> Option<String>, place: impl Fn(&Known) -> String) -> anyhow::Result<Self> {
                let mut given = Self::default();
                for known in KNOWN {
                    let Some(text) = text_of(known).filter(|text| !text.is_empty()) else { continue };
                    match known.name {
                        $($name => given.$field = Some(text.parse().map_err(|error: String| anyhow::anyhow!("{}: {error}", place(known)))?),)+
                        _ => {}
                    }
                }
                Ok(given)
            }
        }
    };
}

// One line a setting; packaging/agent.toml shows each, and a test compares the two.
settings! {
    #[doc = "Where the agent keeps its key and its progress."]
    state_dir: Text = "state-dir", "ROLLCALL_STATE_DIR", "/var/lib/rollcall-agent", "DIR";
    #[doc = "Where the reading process leaves what the sending process sends; without it /var/lib/rollcall-spool, or spool in a state directory that is named."]
    spool_dir: Text = "spool-dir", "ROLLCALL_SPOOL_DIR", "", "DIR";
    #[doc = "How much may wait on disk for the collector, half of it for each process."]
    spool_limit: Size = "spool-limit", "ROLLCALL_SPOOL_LIMIT", "64MiB", "SIZE";
    #[doc = "What to log: error, warn, info, debug, or a tracing filter."]
    log: Text = "log", "ROLLCALL_LOG", "info", "FILTER";
    #[doc = "How to log: text or json."]
    log_format: LogFormat = "log-format", "ROLLCALL_LOG_FORMAT", "text", "FORMAT";
    #[doc = "Addresses of the collector in order of preference, instead of those that the token named."]
    collector_urls: List = "collector-urls", "ROLLCALL_COLLECTOR_URLS", "", "URLS";
    #[doc = "How long to stay with another address before the first one is tried again."]
    failover_return: Time = "failover-return", "ROLLCALL_FAILOVER_RETURN", "10m", "TIME";
    #[doc = "HTTP proxy to reach the collector through; none for no proxy. Without it, HTTPS_PROXY, ALL_PROXY and NO_PROXY hold."]
    proxy: Text = "proxy", "ROLLCALL_PROXY", "", "URL";
    #[doc = "Hosts, domains and networks that are reached without the proxy."]
    no_proxy: List = "no-proxy", "ROLLCALL_NO_PROXY", "", "HOSTS";
    #[doc = "A file with an enrollment token, to join with if the machine is not enrolled."]
    token_file: Text = "token-file", "ROLLCALL_TOKEN_FILE", "", "FILE";
    #[doc = "Check in this often; without it, as often as the collector asks."]
    check_in_interval: Time = "check-in-interval", "ROLLCALL_CHECK_IN_INTERVAL", "", "TIME";
    #[doc = "Look at the socket table this often."]
    sample_interval: Time = "sample-interval", "ROLLCALL_SAMPLE_INTERVAL", "20s", "TIME";
    #[doc = "Look at the whole machine no more often than this; 0s for once for every check-in."]
    inventory_interval: Time = "inventory-interval", "ROLLCALL_INVENTORY_INTERVAL", "0s", "TIME";
    #[doc = "Wait a random time up to this before the first check-in."]
    start_jitter: Time = "start-jitter", "ROLLCALL_START_JITTER", "15s", "TIME";
    #[doc = "Sections that are not collected."]
    #[arg(alias = "disable-section")]
    disable_sections: List = "disable-sections", "ROLLCALL_DISABLE_SECTIONS", "", "NAMES";
    #[doc = "What is collected only when it is named here: language-packages, announced-neighbours (mDNS, SSDP) or public-neighbours."]
    also_collect: List = "also-collect", "ROLLCALL_ALSO_COLLECT", "", "NAMES";
    #[doc = "How long one section may take before it is abandoned and reported as failed."]
    collector_time_limit: Time = "collector-time-limit", "ROLLCALL_COLLECTOR_TIME_LIMIT", "20s", "TIME";
    #[doc = "Share of one processor that this agent may take over time, percent; what would go beyond is left out and reported."]
    cpu_share: Percent = "cpu-share", "ROLLCALL_CPU_SHARE", "10", "PERCENT";
    #[doc = "Memory that this agent may take; what would go beyond is left out and reported."]
    memory_limit: Size = "memory-limit", "ROLLCALL_MEMORY_LIMIT", "64MiB", "SIZE";
}

/// The settings that hold.
#[derive(Clone, Debug)]
pub struct Settings {
    /// As given, with what is built in for the rest.
    pub given: Given,
    /// The configuration file that was read, if one was.
    pub file: Option<PathBuf>,
    environment_proxy: ProxyRules,
}

impl Settings {
    /// The settings from these flags, the environment and the configuration file: the named one, or [`USUAL_FILE`] if there is one.
    ///
    /// # Errors
    /// With the file, line or variable that is wrong.
    pub fn load(flags: &Given, file: Option<&Path>) -> anyhow::Result<Self> {
        Self::from(flags, file, |variable| std::env::var(variable).ok())
    }

    /// Just these, and what is built in: no file, and no environment.
    ///
    /// # Errors
    /// With the setting that is wrong.
    pub fn of(given: &Given) -> anyhow::Result<Self> {
        Self::new(given.clone(), None, ProxyRules::none())
    }

    fn from(flags: &Given, file: Option<&Path>, environment: impl Fn(&str) -> Option<String>) -> anyhow::Result<Self> {
        let named = file.map(Path::to_owned).or_else(|| environment("ROLLCALL_CONFIG").filter(|path| !path.is_empty()).map(PathBuf::from));
        let (file, in_file) = match read(named.as_deref())? {
            Some((path, given)) => (Some(path), given),
            None => (None, Given::default()),
        };
        let in_environment = Given::from_texts(
            |known| environment(known.variable),
            |known| format!("the environment variable {} (setting {})", known.variable, known.name),
        )?;
        Self::new(flags.clone().or(in_environment).or(in_file), file, ProxyRules::from_environment(&environment))
    }

    fn new(given: Given, file: Option<PathBuf>, environment_proxy: ProxyRules) -> anyhow::Result<Self> {
        let built_in = Given::from_texts(|known| Some(known.default.to_owned()), |known| format!("the default of {}", known.name))?;
        let settings = Self { given: given.or(built_in), file, environment_proxy };
        settings.check()?;
        Ok(settings)
    }

    fn check(&self) -> anyhow::Result<()> {
        let disabled = self.disabled_sections();
        if let Some(unknown) = disabled.iter().find(|name| !COLLECTORS.iter().any(|collector| collector.name == **name)) {
            bail!("disable-sections: there is no section {unknown:?}; see: rollcall-agent inventory --list");
        }
        if let Some(unknown) = self.also_collect().iter().find(|name| !EXTRAS.contains(&name.as_str())) {
            bail!("also-collect: nothing is known by the name {unknown:?}; there is: {}", EXTRAS.join(", "));
        }
        if self.spool_limit() < spool::LEAST_LIMIT {
            bail!("spool-limit: {} is too little; give it {} or more", Size(self.spool_limit()), Size(spool::LEAST_LIMIT));
        }
        self.collector_urls()?;
        self.proxy()?;
        Ok(())
    }

    /// Where the agent keeps its key and its progress.
    pub fn state_dir(&self) -> PathBuf {
        self.given.state_dir.as_ref().map_or_else(|| state::DEFAULT_DIRECTORY.into(), |dir| dir.0.clone().into())
    }

    /// Where the spool is: beside the state that the packages use, as another user's files lie in it, and inside any other.
    pub fn spool_dir(&self) -> PathBuf {
        match &self.given.spool_dir {
            Some(dir) => dir.0.clone().into(),
            None if self.state_dir() == Path::new(state::DEFAULT_DIRECTORY) => spool::DEFAULT_DIRECTORY.into(),
            None => self.state_dir().join("spool"),
        }
    }

    /// How much the spool may hold, bytes.
    pub fn spool_limit(&self) -> u64 {
        self.given.spool_limit.map_or(spool::DEFAULT_LIMIT, |size| size.0)
    }

    /// The spool.
    pub fn spool(&self) -> spool::Spool {
        spool::Spool::new(self.spool_dir(), self.spool_limit())
    }

    /// What is logged.
    pub fn log(&self) -> &str {
        self.given.log.as_ref().map_or("info", |log| &log.0)
    }

    /// Whether the log is JSON.
    pub fn logs_json(&self) -> bool {
        self.given.log_format == Some(LogFormat::Json)
    }

    /// The collector's addresses, where they are not the token's.
    ///
    /// # Errors
    /// If one of them is no `https` address.
    pub fn collector_urls(&self) -> anyhow::Result<Vec<Url>> {
        let texts = self.given.collector_urls.iter().flat_map(|list| &list.0);
        let url = |text: &String| {
            let url = Url::parse(text).with_context(|| format!("collector-urls: {text:?} is not an address"))?;
            if url.scheme() != "https" || url.host_str().is_none() {
                bail!("collector-urls: {text:?} is not an https address, such as https://collector.example:8444");
            }
            Ok(url)
        };
        texts.map(url).collect()
    }

    /// How long to stay with another address before the first one is tried again.
    pub fn failover_return(&self) -> Duration {
        self.given.failover_return.map_or(crate::client::RETURN_TO_FIRST, |time| time.0)
    }

    /// Which proxy leads where.
    ///
    /// # Errors
    /// If the proxy is not one that can be used.
    pub fn proxy(&self) -> anyhow::Result<ProxyRules> {
        let no_proxy = self.given.no_proxy.as_ref().map(|list| list.0.clone());
        match self.given.proxy.as_ref().map(|text| text.0.as_str()) {
            Some("none") => Ok(ProxyRules::none()),
            Some(text) => ProxyRules::new(text, no_proxy.unwrap_or_default()).map_err(|error| anyhow::anyhow!("proxy: {error}")),
            None => Ok(self.environment_proxy.clone().also_without(no_proxy.unwrap_or_default())),
        }
    }

    /// A file with a token to join with; what a service manager hands over counts too.
    pub fn token_file(&self) -> Option<PathBuf> {
        let handed = || Some(PathBuf::from(std::env::var_os("CREDENTIALS_DIRECTORY")?).join("token")).filter(|path| path.exists());
        self.given.token_file.as_ref().map(|path| path.0.clone().into()).or_else(handed)
    }

    /// How often to check in, where that is not the collector's to say.
    pub fn check_in_interval(&self) -> Option<Duration> {
        self.given.check_in_interval.map(|time| time.0.max(SHORTEST))
    }

    /// How often to look at the socket table.
    pub fn sample_interval(&self) -> Duration {
        self.given.sample_interval.map_or(Duration::from_secs(20), |time| time.0).max(SHORTEST)
    }

    /// How often to look at the machine at most.
    pub fn inventory_interval(&self) -> Duration {
        self.given.inventory_interval.map_or(Duration::ZERO, |time| time.0)
    }

    /// Most to wait before the first check-in.
    pub fn start_jitter(&self) -> Duration {
        self.given.start_jitter.map_or(Duration::ZERO, |time| time.0)
    }

    /// Sections that are not collected.
    pub fn disabled_sections(&self) -> Vec<String> {
        self.given.disable_sections.as_ref().map(|list| list.0.clone()).unwrap_or_default()
    }

    /// What is collected only because it was asked for.
    pub fn also_collect(&self) -> Vec<String> {
        self.given.also_collect.as_ref().map(|list| list.0.clone()).unwrap_or_default()
    }

    /// What an inventory may take.
    pub fn limits(&self) -> Limits {
        let built_in = Limits::default();
        Limits {
            time: self.given.collector_time_limit.map_or(built_in.time, |time| time.0),
            cpu_percent: self.given.cpu_share.map_or(built_in.cpu_percent, |share| share.0),
            memory: self.given.memory_limit.map_or(built_in.memory, |size| size.0),
        }
    }
}

const SHORTEST: Duration = Duration::from_millis(50);

/// Checks that nobody else can change the configuration file.
///
/// # Errors
/// With the command that puts it right.
pub fn check_permissions(file: &Path) -> Result<(), permissions::Unsafe> {
    permissions::only_trusted_write(file, "tell the agent whom to send its reports to")
}

fn read(named: Option<&Path>) -> anyhow::Result<Option<(PathBuf, Given)>> {
    const MOST: u64 = 1 << 20;
    let path = named.unwrap_or(Path::new(USUAL_FILE));
    let bytes = match crate::files::read_bounded(path, MOST) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && named.is_none() => return Ok(None),
        other => other.with_context(|| format!("reading {}", path.display()))?,
    };
    let text = String::from_utf8(bytes).with_context(|| format!("{} is not text", path.display()))?;
    let given = toml::from_str(&text).with_context(|| format!("in {}", path.display()))?;
    Ok(Some((path.to_owned(), given)))
}

/// `500ms`, `20s`, `15m`, `6h`, `7d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Time(pub Duration);

const TIME_UNITS: &[(&str, u64)] = &[("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

impl FromStr for Time {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not a time such as 500ms, 20s, 15m, 6h or 7d");
        let millis = scaled(text, TIME_UNITS).ok_or_else(wrong)?;
        Ok(Self(Duration::from_millis(millis)))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        match TIME_UNITS.iter().find(|(_, scale)| millis > 0 && millis.is_multiple_of(*scale)) {
            Some((unit, scale)) => write!(f, "{}{unit}", millis / scale),
            None => write!(f, "0s"),
        }
    }
}

/// Bytes: `67108864`, `512KiB`, `64MiB`, `1GiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size(pub u64);

const SIZE_UNITS: &[(&str, u64)] = &[("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("", 1)];

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        scaled(text, SIZE_UNITS)
            .map(Self)
            .ok_or_else(|| format!("{text:?} is not a size such as 512KiB, 64MiB, 1GiB, or a number of bytes"))
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match SIZE_UNITS.iter().find(|(_, scale)| self.0 > 0 && self.0.is_multiple_of(*scale)) {
            Some((unit, scale)) => write!(f, "{}{unit}", self.0 / scale),
            None => write!(f, "0"),
        }
    }
}

fn scaled(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let (_, scale) = units.iter().find(|(name, _)| *name == unit.trim())?;
    number.parse::<u64>().ok()?.checked_mul(*scale)
}

/// From 1 to 100.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Percent(pub u32);

impl FromStr for Percent {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let percent = text.trim().trim_end_matches('%').trim_end().parse().ok().filter(|percent| (1..=100).contains(percent));
        percent.map(Self).ok_or_else(|| format!("{text:?} is not a share from 1 to 100 percent"))
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One or more, separated by commas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List(pub Vec<String>);

impl FromStr for List {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(Self(text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()))
    }
}

impl fmt::Display for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(","))
    }
}

/// Any text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text(pub String);

impl FromStr for Text {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.trim() {
            "" => Err("it is empty".to_owned()),
            text => Ok(Self(text.to_owned())),
        }
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How to log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}

impl FromStr for LogFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.trim() {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(format!("{text:?} is neither text nor json")),
        }
    }
}

impl fmt::Display for LogFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Self::Json { "json" } else { "text" })
    }
}

/// Each value is read from its text; a number may stand without quotes, and a list as an array.
fn from_text<'de, T: FromStr<Err = String>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    struct Visitor<T>(PhantomData<T>);
    impl<'de, T: FromStr<Err = String>> de::Visitor<'de> for Visitor<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a text, a number or a list of texts")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
            text.parse().map_err(E::custom)
        }

        fn visit_i64<E: de::Error>(self, number: i64) -> Result<T, E> {
            number.to_string().parse().map_err(E::custom)
        }

        fn visit_seq<A: de::SeqAccess<'de>>(self, mut items: A) -> Result<T, A::Error> {
            let mut texts: Vec<String> = Vec::new();
            while let Some(text) = items.next_element()? {
                texts.push(text);
            }
            texts.join(",").parse().map_err(de::Error::custom)
        }
    }
    deserializer.deserialize_any(Visitor(PhantomData)).map(Some)
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, fs};

    use super::*;

    fn settings(file: &str, environment: &[(&str, &str)], flags: &Given) -> anyhow::Result<Settings> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("agent.toml");
        fs::write(&path, file).unwrap();
        let environment: BTreeMap<_, _> = environment.iter().copied().collect();
        Settings::from(flags, Some(&path), |name| environment.get(name).map(|text| (*text).to_owned()))
    }

    #[test]
    fn values() {
        assert_eq!("500ms".parse(), Ok(Time(Duration::from_millis(500))));
        assert_eq!(" 15 m ".parse(), Ok(Time(Duration::from_secs(900))));
        for text in ["", "5", "s", "-1s", "1.5s", "99999999999999999999d", "18446744073709551615d"] {
            assert!(text.parse::<Time>().is_err(), "{text}");
        }
        assert_eq!(["64MiB", "1000", "0", "3 KiB"].map(|text| text.parse::<Size>().unwrap().0), [64 << 20, 1_000, 0, 3 << 10]);
        for text in ["", "1MB", "-1", "20000000000GiB"] {
            assert!(text.parse::<Size>().is_err(), "{text}");
        }
        assert_eq!(["1", "100", "5 %"].map(|text| text.parse::<Percent>().unwrap().0), [1, 100, 5]);
        assert!(["0", "101", "x"].iter().all(|text| text.parse::<Percent>().is_err()));
        assert_eq!(" a, b,,".parse(), Ok(List(vec!["a".to_owned(), "b".to_owned()])));
    }

    #[test]
    fn a_flag_goes_before_the_environment_before_the_file_before_the_default() {
        let flags = Given { sample_interval: "1s".parse().ok(), ..Given::default() };
        let environment = [("ROLLCALL_SAMPLE_INTERVAL", "2s"), ("ROLLCALL_CPU_SHARE", "20"), ("ROLLCALL_LOG", "")];
        let file = "sample-interval = \"3s\"\ncpu-share = 30\nstart-jitter = \"4s\"\nlog = \"warn\"\n";
        let found = settings(file, &environment, &flags).unwrap();
        let numbers = (found.sample_interval().as_secs(), found.limits().cpu_percent, found.start_jitter().as_secs());
        // An empty variable is one that is not set: a service's environment file often names it without a value.
        assert_eq!((numbers, found.log(), found.spool_limit()), ((1, 20, 4), "warn", spool::DEFAULT_LIMIT));
    }

    #[test]
    fn what_is_wrong_is_named() {
        type Variables<'a> = &'a [(&'a str, &'a str)];
        let cases: &[(&str, Variables<'_>, &str)] = &[
            ("sample-intervall = \"5s\"", &[], "sample-intervall"),
            ("sample-interval = \"5\"", &[], "is not a time"),
            ("", &[("ROLLCALL_CPU_SHARE", "200")], "ROLLCALL_CPU_SHARE"),
            ("disable-sections = [\"shoes\"]", &[], "inventory --list"),
            ("also-collect = [\"shoes\"]", &[], "public-neighbours"),
            ("collector-urls = [\"http://collector\"]", &[], "https"),
            ("proxy = \"socks5://x\"", &[], "proxy:"),
            ("spool-limit = 5", &[], "too little"),
        ];
        for (file, environment, expected) in cases {
            let error = format!("{:#}", settings(file, environment, &Given::default()).unwrap_err());
            assert!(error.contains(expected), "{file}: {error}");
        }
        assert!(Settings::from(&Given::default(), Some(Path::new("/nonexistent/agent.toml")), |_| None).is_err());
    }

    #[test]
    fn the_sample_shows_every_setting_with_its_default() {
        let sample = include_str!("../../packaging/agent.toml");
        let set = |line: &str| Some(line.strip_prefix('#')?.split_once(" = ")?.0.to_owned()).filter(|name| !name.starts_with(' '));
        let names: Vec<String> = sample.lines().filter_map(set).collect();
        assert_eq!(names, KNOWN.iter().map(|known| known.name).collect::<Vec<_>>());
        // As it stands it sets nothing.
        assert_eq!(toml::from_str::<Given>(sample).unwrap(), Given::default());
        let uncommented: String = sample
            .lines()
            .map(|line| if set(line).is_some() { line.trim_start_matches('#') } else { line })
            .flat_map(|line| [line, "\n"])
            .collect();
        let shown = toml::from_str::<Given>(&uncommented).unwrap();
        for (known, text) in shown.texts() {
            // What is not set by default shows an example instead.
            if !known.default.is_empty() {
                assert_eq!(text.as_deref(), Some(known.default), "{}", known.name);
            }
            assert!(sample.contains(known.variable), "{} is not named", known.variable);
        }
        let variables: std::collections::BTreeSet<_> = KNOWN.iter().map(|known| known.variable).collect();
        assert_eq!(variables.len(), KNOWN.len());
        assert!(KNOWN.iter().all(|known| known.variable == format!("ROLLCALL_{}", known.name.to_uppercase().replace('-', "_"))));
    }

    #[test]
    fn the_spool_is_beside_the_packaged_state_and_inside_any_other() {
        let spool = |file: &str| settings(file, &[], &Given::default()).unwrap().spool_dir();
        assert_eq!(spool(""), Path::new(spool::DEFAULT_DIRECTORY));
        assert_eq!(spool("state-dir = \"/srv/agent\""), Path::new("/srv/agent/spool"));
        assert_eq!(spool("state-dir = \"/srv/agent\"\nspool-dir = \"/srv/spool\""), Path::new("/srv/spool"));
    }
}
