//! What groups the attempts of one logical write.

use std::fmt;

use super::AttemptId;
use crate::error::{Error, Result};

const MAX_LEN: usize = 200;

/// The token of a write: the caller's, or the attempt itself where the caller gave none.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Token(String);

impl Token {
    /// A caller's token: 1 to 200 bytes of printable ASCII, without space, `/`, `;` and `..`.
    ///
    /// # Errors
    /// `InvalidInput`, saying what the token may hold.
    pub(crate) fn new(token: impl Into<String>) -> Result<Self> {
        let token = token.into();
        match fault(&token) {
            Some(fault) => Err(Error::invalid_input(format!("token {token:?} {fault}"))),
            None => Ok(Self(token)),
        }
    }

    /// The token of a write that was given none.
    pub(crate) fn of_attempt(attempt: AttemptId) -> Self {
        Self(attempt.to_string())
    }

    /// A token as it stands in an object's name; it may be one that a caller can't use.
    pub(crate) fn found(text: &str) -> Self {
        Self(text.to_owned())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the write was given no token: then its file needs no commit to be told from another attempt's.
    #[cfg(test)]
    pub(crate) fn is_attempt(&self, attempt: AttemptId) -> bool {
        AttemptId::parse(&self.0) == Some(attempt)
    }
}

fn fault(token: &str) -> Option<String> {
    if token.is_empty() {
        return Some("is empty: leave the token out instead".to_owned());
    }
    if token.len() > MAX_LEN {
        return Some(format!("has {} bytes, at most {MAX_LEN} are allowed", token.len()));
    }
    if let Some(illegal) = token.chars().find(|c| !('!'..='~').contains(c) || matches!(c, '/' | ';')) {
        return Some(format!("holds {illegal:?}: only printable ASCII is allowed, without space, '/' and ';'"));
    }
    token.contains("..").then(|| "holds \"..\", which is not allowed".to_owned())
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({:?})", self.0)
    }
}
