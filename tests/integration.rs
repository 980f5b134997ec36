//! Integration tests: the public API against an S3, in the process or, where `S3STORE_TEST_ENDPOINT` names one, a real
//! one. See `integration/harness.rs`.

mod integration {
    mod crash;
    mod harness;
    mod records;
}
