//! What does not compile, and what is said about it; and what must compile.
//!
//! `TRYBUILD=overwrite` accepts the messages that are printed: read them before you do.

#[test]
fn every_mistake_has_its_message() {
    let cases = trybuild::TestCases::new();
    cases.pass("ui/pass/*.rs");
    cases.compile_fail("ui/*.rs");
}
