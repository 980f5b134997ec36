//! Derives that compile, and derives that do not, with the compiler's messages.
//!
//! The cases in `ui/pass` compile as modules of this test, which is faster than one program each. Each file in `ui` must
//! fail with the messages of its `.stderr` file. `TRYBUILD=overwrite` updates these files: read every message that
//! changed.

#[path = "ui/pass/odd_partition_names.rs"]
mod odd_partition_names;
#[path = "ui/pass/other_module.rs"]
mod other_module;
#[path = "ui/pass/raw_identifiers.rs"]
mod raw_identifiers;
#[path = "ui/pass/rows_only.rs"]
mod rows_only;
#[path = "ui/pass/shadowed_names.rs"]
mod shadowed_names;
#[path = "ui/pass/two_hundred_fields.rs"]
mod two_hundred_fields;
#[path = "ui/pass/views.rs"]
mod views;

#[test]
fn every_mistake_is_reported_as_expected() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("ui/*.rs");
}
