//! What must compile, and what does not, with what is said about it.
//!
//! The cases that must compile are modules of this test, which is faster than a program each. The others are checked
//! one by one; `TRYBUILD=overwrite` accepts the messages that are printed: read them before you do.

#[path = "ui/pass/odd_partition_names.rs"]
mod odd_partition_names;
#[path = "ui/pass/other_module.rs"]
mod other_module;
#[path = "ui/pass/raw_identifiers.rs"]
mod raw_identifiers;
#[path = "ui/pass/shadowed_names.rs"]
mod shadowed_names;
#[path = "ui/pass/two_hundred_fields.rs"]
mod two_hundred_fields;
#[path = "ui/pass/views.rs"]
mod views;

#[test]
fn every_mistake_has_its_message() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("ui/*.rs");
}
