//! Tests of SQL on a cluster of processes: a scheduler and executors, on the S3 of the environment or an in-process one.

#[expect(dead_code, reason = "shared with the integration tests")]
#[path = "integration/harness.rs"]
mod harness;
#[expect(dead_code, reason = "shared with the tests of SQL")]
#[path = ""]
mod sql {
    #[path = "sql/costs.rs"]
    pub mod costs;
    #[path = "sql/generated.rs"]
    pub mod generated;
    #[path = "sql/support.rs"]
    pub mod support;
}
mod cluster {
    mod figures;
    mod fleet;
    mod losses;
    mod queries;
}
