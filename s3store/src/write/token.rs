//! The tokens of a write, which make it retryable. A write takes one kind of token.

use std::error::Error as StdError;

use crate::dataset::HivePartition;
use crate::error::{Error, ErrorKind, Result};
use crate::format::Token;

/// No token: each call writes the records again.
#[derive(Debug, Clone, Copy)]
pub struct NoToken(pub(super) ());

/// One token for all partitions of a write, set by [`token`](crate::write::Write::token).
#[derive(Debug, Clone)]
pub struct OneToken(pub(super) Option<String>);

/// A function that makes each partition's token, set by [`token_of`](crate::write::Write::token_of).
pub struct TokenOf<F>(pub(super) F);

/// Each partition's token is made of its records, set by [`token_of_content`](crate::write::Write::token_of_content).
#[derive(Debug, Clone, Copy)]
pub struct TokenOfContent(pub(super) ());

/// The source of a write's tokens. Sealed: see [`NoToken`], [`OneToken`], [`TokenOf`] and [`TokenOfContent`].
pub trait Tokens<'a, T>: private::Sealed + Send {
    /// `true` if the write makes the tokens of the records, and does not call [`token`](Self::token).
    #[doc(hidden)]
    const OF_CONTENT: bool = false;

    /// Returns the token of a partition. `partition` collects the partition's records when it is called.
    #[doc(hidden)]
    fn token(&mut self, partition: &dyn Fn() -> HivePartition<&'a T>) -> Result<Option<String>>;
}

mod private {
    pub trait Sealed {}
    impl Sealed for super::NoToken {}
    impl Sealed for super::OneToken {}
    impl<F> Sealed for super::TokenOf<F> {}
    impl Sealed for super::TokenOfContent {}
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

impl<'a, T> Tokens<'a, T> for TokenOfContent {
    const OF_CONTENT: bool = true;

    fn token(&mut self, _partition: &dyn Fn() -> HivePartition<&'a T>) -> Result<Option<String>> {
        Ok(None)
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

/// A token function's return value: text, or a `Result` of text.
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
