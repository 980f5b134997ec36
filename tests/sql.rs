//! Tests of SQL: the tables of datasets in DataFusion, against reads and against DataFusion's own tables.

#[expect(dead_code, reason = "shared with the integration tests")]
#[path = "integration/harness.rs"]
mod harness;
mod sql {
    mod changes;
    mod costs;
    mod generated;
    mod plans;
    mod queries;
    mod random;
    #[expect(dead_code, reason = "shared with the tests of a cluster")]
    mod support;
    mod tpch;
    mod traps;
}
