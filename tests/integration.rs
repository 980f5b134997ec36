//! Integration tests.

mod ui;
