//! The partitions that a poll of the change stream returns.

use std::sync::Arc;

use super::Pattern;
use super::index::PatternIndex;
use crate::error::{Error, Result};

/// The partitions whose refs a poll looks up: all, or those that patterns select. Clones are cheap.
#[derive(Debug, Clone, Default)]
pub(crate) enum PartitionFilter {
    #[default]
    All,
    Selected(Arc<PatternIndex>),
    /// The patterns are not valid, for this reason.
    Invalid(Arc<str>),
}

impl PartitionFilter {
    pub(crate) fn new(patterns: Result<Vec<Pattern>>) -> Self {
        match patterns {
            Ok(patterns) if patterns.contains(&Pattern::everything()) => Self::All,
            Ok(patterns) => Self::Selected(Arc::new(PatternIndex::new(&patterns))),
            Err(error) => Self::Invalid(error.to_string().into()),
        }
    }

    /// Fails if the patterns are not valid.
    pub(crate) fn check(&self) -> Result<()> {
        match self {
            Self::Invalid(reason) => Err(Error::invalid_input(reason.as_ref())),
            Self::All | Self::Selected(_) => Ok(()),
        }
    }

    /// Returns whether the partition `key` with the columns `names` is selected.
    pub(crate) fn selects(&self, key: &str, names: &[impl AsRef<str>]) -> bool {
        match self {
            Self::All => true,
            Self::Selected(patterns) => patterns.matches(key, names),
            Self::Invalid(_) => false,
        }
    }
}
