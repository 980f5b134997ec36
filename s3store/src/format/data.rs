//! Data files and commits, the objects under `<prefix>/data/`.

use std::fmt;

use super::{AttemptId, PartitionKey, Prefix, Token, check_key_length};
use crate::error::Result;

const FILE: &str = ".parquet";
const COMMIT: &str = ".commit";

/// The name of an object in a partition's folder. Its token may be one that [`Token::new`] does not accept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DataName<'a> {
    /// `<token>-<attempt>.parquet`
    File { token: &'a str, attempt: AttemptId },
    /// `<token>.commit`
    Commit { token: &'a str },
}

/// A key under `<prefix>/data/`, split into its parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DataKey<'a> {
    /// The partition's key, not checked.
    pub(crate) partition: &'a str,
    /// The name in the partition's folder.
    pub(crate) name: DataName<'a>,
}

impl<'a> DataName<'a> {
    /// Parses the last part of a key. Returns `None` if it is neither a data file nor a commit.
    pub(crate) fn parse(name: &'a str) -> Option<Self> {
        if let Some(token) = name.strip_suffix(COMMIT) {
            return (!token.is_empty()).then_some(Self::Commit { token });
        }
        let (token, attempt) = split_attempt(name.strip_suffix(FILE)?)?;
        Some(Self::File { token, attempt })
    }

    /// Returns the text of the token.
    pub(crate) fn token_str(&self) -> &'a str {
        match self {
            Self::File { token, .. } | Self::Commit { token } => token,
        }
    }

    /// Returns the token.
    pub(crate) fn token(&self) -> Token {
        Token::found(self.token_str())
    }
}

impl fmt::Display for DataName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { token, attempt } => write!(f, "{token}-{attempt}{FILE}"),
            Self::Commit { token } => write!(f, "{token}{COMMIT}"),
        }
    }
}

/// Splits `<token>-<attempt>` at the last `-`, since a token may contain `-`.
pub(super) fn split_attempt(text: &str) -> Option<(&str, AttemptId)> {
    let (head, attempt) = text.split_at_checked(text.len().checked_sub(AttemptId::TEXT_LEN)?)?;
    let token = head.strip_suffix('-').filter(|token| !token.is_empty())?;
    Some((token, AttemptId::parse(attempt)?))
}

impl Prefix {
    /// Returns the folder of all partitions: `<prefix>/data/`.
    pub(crate) fn data_prefix(&self) -> String {
        format!("{self}/data/")
    }

    /// Returns the folder of one partition: `<prefix>/data/<partition>/`.
    pub(crate) fn partition_prefix(&self, partition: &PartitionKey) -> String {
        format!("{self}/data/{partition}/")
    }

    /// Renders the key of an attempt's data file.
    ///
    /// # Errors
    /// `InvalidInput` if the key would be longer than S3 allows.
    pub(crate) fn data_key(&self, partition: &PartitionKey, token: &Token, attempt: AttemptId) -> Result<String> {
        self.data_object(partition, DataName::File { token: token.as_str(), attempt })
    }

    /// Renders the key of a token's commit in a partition.
    ///
    /// # Errors
    /// `InvalidInput` if the key would be longer than S3 allows.
    pub(crate) fn commit_key(&self, partition: &PartitionKey, token: &Token) -> Result<String> {
        self.data_object(partition, DataName::Commit { token: token.as_str() })
    }

    fn data_object(&self, partition: &PartitionKey, name: DataName<'_>) -> Result<String> {
        let key = format!("{}{name}", self.partition_prefix(partition));
        check_key_length(&key).map(|()| key)
    }

    /// Parses a key under `<prefix>/data/`. Returns `None` if it is neither a data file nor a commit.
    pub(crate) fn parse_data_key<'a>(&self, key: &'a str) -> Option<DataKey<'a>> {
        let (partition, name) = self.strip(key)?.strip_prefix("/data/")?.rsplit_once('/')?;
        if partition.is_empty() {
            return None;
        }
        Some(DataKey { partition, name: DataName::parse(name)? })
    }
}
