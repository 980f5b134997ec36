//! A model of the protocol of writes, reads and the change stream, whose states are all checked.
//!
//! The same model with one rule broken must fail. So each rule is needed, and the checks would notice if it were missing.

pub mod protocol;

#[cfg(test)]
mod checks;
