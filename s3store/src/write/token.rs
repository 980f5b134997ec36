//! What makes a write retryable: its token, of several kinds, of which a write takes one.

use std::error::Error as StdError;

use crate::dataset::HivePartition;
use crate::error::{Error, ErrorKind, Result};
use crate::format::Token;

/// A write without a token: each call is a write of its own.
#[derive(Debug, Clone, Copy)]
pub struct NoToken(pub(super) ());

/// One token for all partitions of a write.
#[derive(Debug, Clone)]
pub struct OneToken(pub(super) Option<String>);

/// A token from a function of each partition's records.
pub struct TokenOf<F>(pub(super) F);

/// Where a write's tokens come from.
pub trait Tokens<'a, T>: private::Sealed + Send {
    /// The token of the partition that `partition` collects; `None` for none.
    #[doc(hidden)]
    fn token(&mut self, partition: &dyn Fn() -> HivePartition<&'a T>) -> Result<Option<String>>;
}

mod private {
    pub trait Sealed {}
    impl Sealed for super::NoToken {}
    impl Sealed for super::OneToken {}
    impl<F> Sealed for super::TokenOf<F> {}
}

impl<'a, T> Tokens<'a, T> for NoToken {
    fn token(&mut self, _partition: &dyn Fn() -> HivePartition<&'a T>) -> Result<Option<String>> {
        Ok(None)
    }
}

impl<'a, T> Tokens<'a, T> for OneToken {
    fn token(&mut self, _partition: &dyn Fn() -> HivePartition<&'a T>) -> Result<Option<String>> {
        Ok(self.0.clone())
    }
}

impl<'a, T, F, R> Tokens<'a, T> for TokenOf<F>
where
    F: FnMut(&HivePartition<&'a T>) -> R + Send,
    R: IntoToken,
{
    fn token(&mut self, partition: &dyn Fn() -> HivePartition<&'a T>) -> Result<Option<String>> {
        let partition = partition();
        (self.0)(&partition).into_token().map(Some).map_err(|error| {
            let message = format!("the token function failed for partition {}", partition.partition);
            Error::new(ErrorKind::InvalidInput, message).with_source(error)
        })
    }
}

/// What a token function returns: text, or a `Result` of text.
pub trait IntoToken {
    #[doc(hidden)]
    fn into_token(self) -> std::result::Result<String, Box<dyn StdError + Send + Sync>>;
}

impl IntoToken for String {
    fn into_token(self) -> std::result::Result<String, Box<dyn StdError + Send + Sync>> {
        Ok(self)
    }
}

impl IntoToken for &str {
    fn into_token(self) -> std::result::Result<String, Box<dyn StdError + Send + Sync>> {
        Ok(self.to_owned())
    }
}

impl<S, E> IntoToken for std::result::Result<S, E>
where
    S: Into<String>,
    E: Into<Box<dyn StdError + Send + Sync>>,
{
    fn into_token(self) -> std::result::Result<String, Box<dyn StdError + Send + Sync>> {
        self.map(Into::into).map_err(Into::into)
    }
}

/// Validates a caller's token.
pub(super) fn validated(token: Option<String>) -> Result<Option<Token>> {
    token.map(Token::new).transpose()
}
