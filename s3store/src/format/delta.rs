//! The keys of a Delta log, and the paths of data files in it.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::Prefix;

/// The bytes that readers of a Delta log expect to be encoded in a path.
const ENCODED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/').remove(b'=');

/// The number of digits of a version.
const VERSION_DIGITS: usize = 20;

/// The number of digits of a part of a checkpoint.
const PART_DIGITS: usize = 10;

/// An object of a Delta log, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogName {
    /// The actions of a version, as lines of JSON.
    Version(u64),
    /// One part of a checkpoint of a version, counted from 1.
    Checkpoint { version: u64, part: u32, parts: u32 },
    /// The pointer to the last checkpoint.
    LastCheckpoint,
}

impl Prefix {
    /// Returns the folder of the dataset's Delta log: `<prefix>/_delta_log/`.
    pub(crate) fn log_prefix(&self) -> String {
        format!("{self}/_delta_log/")
    }

    /// Returns the key of an object of the Delta log. A checkpoint of one part has no numbers of parts in its name.
    pub(crate) fn log_key(&self, name: LogName) -> String {
        let folder = self.log_prefix();
        match name {
            LogName::Version(version) => format!("{folder}{version:0VERSION_DIGITS$}.json"),
            LogName::Checkpoint { version, parts: 1, .. } => {
                format!("{folder}{version:0VERSION_DIGITS$}.checkpoint.parquet")
            }
            LogName::Checkpoint { version, part, parts } => {
                format!(
                    "{folder}{version:0VERSION_DIGITS$}.checkpoint.{part:0PART_DIGITS$}.{parts:0PART_DIGITS$}.parquet"
                )
            }
            LogName::LastCheckpoint => format!("{folder}_last_checkpoint"),
        }
    }

    /// Returns a text before the keys of all objects of a version and of later ones, and after those of earlier ones.
    pub(crate) fn log_start(&self, version: u64) -> String {
        format!("{}{version:0VERSION_DIGITS$}", self.log_prefix())
    }

    /// Parses the key of an object of the Delta log, or returns `None` if the key has another shape.
    pub(crate) fn log_name(&self, key: &str) -> Option<LogName> {
        let name = self.strip(key)?.strip_prefix("/_delta_log/")?;
        let mut pieces = name.split('.');
        let first = pieces.next()?;
        let rest: Vec<_> = pieces.collect();
        match *rest.as_slice() {
            [] => (first == "_last_checkpoint").then_some(LogName::LastCheckpoint),
            ["json"] => Some(LogName::Version(number(first, VERSION_DIGITS)?)),
            ["checkpoint", "parquet"] => {
                Some(LogName::Checkpoint { version: number(first, VERSION_DIGITS)?, part: 1, parts: 1 })
            }
            ["checkpoint", part, parts, "parquet"] => {
                let version = number(first, VERSION_DIGITS)?;
                let part = u32::try_from(number(part, PART_DIGITS)?).ok()?;
                let parts = u32::try_from(number(parts, PART_DIGITS)?).ok()?;
                (parts > 1 && (1..=parts).contains(&part)).then_some(LogName::Checkpoint { version, part, parts })
            }
            _ => None,
        }
    }

    /// Returns the path of an object in the Delta log: relative to the prefix and percent-encoded. Returns `None` for a
    /// key of another dataset, and for one with a control character, which readers can't fetch.
    pub(crate) fn log_path(&self, key: &str) -> Option<String> {
        let path = self.strip(key)?.strip_prefix('/')?;
        (!path.contains(char::is_control)).then(|| utf8_percent_encode(path, ENCODED).to_string())
    }

    /// Returns the key of the object with this path in the Delta log, or `None` if the path is not in UTF-8.
    pub(crate) fn of_log_path(&self, path: &str) -> Option<String> {
        Some(format!("{self}/{}", percent_decode_str(path).decode_utf8().ok()?))
    }
}

fn number(text: &str, digits: usize) -> Option<u64> {
    let is_number = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_the_log_are_parsed_as_rendered() {
        let prefix = Prefix::new("warehouse/billing").unwrap();
        let cases = [
            (LogName::Version(7), "00000000000000000007.json"),
            (LogName::Checkpoint { version: 100, part: 1, parts: 1 }, "00000000000000000100.checkpoint.parquet"),
            (
                LogName::Checkpoint { version: 100, part: 2, parts: 3 },
                "00000000000000000100.checkpoint.0000000002.0000000003.parquet",
            ),
            (LogName::LastCheckpoint, "_last_checkpoint"),
        ];
        for (name, text) in cases {
            let key = prefix.log_key(name);
            assert_eq!(key, format!("warehouse/billing/_delta_log/{text}"));
            assert_eq!(prefix.log_name(&key), Some(name));
        }
    }

    #[test]
    fn other_keys_are_not_of_the_log() {
        let prefix = Prefix::new("p").unwrap();
        for name in [
            "7.json",
            "00000000000000000007.crc",
            "0000000000000000000x.json",
            "99999999999999999999.json",
            "00000000000000000100.checkpoint.0000000004.0000000003.parquet",
            "00000000000000000100.checkpoint.0000000000.0000000003.parquet",
            "_last_checkpoint.tmp",
        ] {
            assert_eq!(prefix.log_name(&format!("p/_delta_log/{name}")), None, "{name}");
        }
        assert_eq!(prefix.log_name("q/_delta_log/_last_checkpoint"), None);
    }

    #[test]
    fn paths_are_relative_and_encoded() {
        let prefix = Prefix::new("p/b c").unwrap();
        let key = "p/b c/data/day=a%20b+ü~/x_1-2.parquet";
        let path = prefix.log_path(key).unwrap();
        assert_eq!(path, "data/day=a%2520b%2B%C3%BC~/x_1-2.parquet");
        assert_eq!(prefix.of_log_path(&path).as_deref(), Some(key));
        assert_eq!(prefix.log_path("p/b c/data/day=\n/x.parquet"), None);
        assert_eq!(prefix.log_path("q/data/day=1/x.parquet"), None);
        assert_eq!(prefix.of_log_path("%FF"), None);
    }
}
