//! Integration tests.

mod derived;
mod ui;
