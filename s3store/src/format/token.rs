//! The token, which groups the attempts of one logical write.

use std::fmt;

use super::AttemptId;
use crate::error::{Error, Result};

const MAX_LEN: usize = 200;

/// The token of a write: the caller's, or the id of the attempt if the caller gave none.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Token(String);

impl Token {
    /// Checks a caller's token: 1 to 200 bytes of printable ASCII, without space, `/`, `;` and `..`.
    ///
    /// # Errors
    /// `InvalidInput`, with the rule that the token breaks.
    pub(crate) fn new(token: impl Into<String>) -> Result<Self> {
        let token = token.into();
        match fault(&token) {
            Some(fault) => Err(Error::invalid_input(format!("token {token:?} {fault}"))),
            None => Ok(Self(token)),
        }
    }

    /// Returns the token of a write whose caller gave none.
    pub(crate) fn of_attempt(attempt: AttemptId) -> Self {
        Self(attempt.to_string())
    }

    /// Takes a token from an object's name, without checking it.
    pub(crate) fn found(text: &str) -> Self {
        Self(text.to_owned())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
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
        return Some(format!("contains {illegal:?}: only printable ASCII is allowed, without space, '/' and ';'"));
    }
    token.contains("..").then(|| "contains \"..\", which is not allowed".to_owned())
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
