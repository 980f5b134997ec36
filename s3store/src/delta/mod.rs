//! The Delta log of a dataset: its actions and checkpoints, reading it, and adding versions.
//!
//! Only the library adds to a log, so it has fewer actions than the protocol of Delta tables, and no file is ever removed.

mod action;
mod checkpoint;
mod checkpoint_file;
mod log;
mod state;

pub(crate) use self::action::{Action, Add, Format, MetaData, Protocol};
pub(crate) use self::log::{Log, ignores_conditions};
pub(crate) use self::state::{State, place};
