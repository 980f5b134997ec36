//! Integration tests: the public API against an S3, in the process or, where `S3STORE_TEST_ENDPOINT` names one, a real
//! one. See `integration/harness.rs`.

mod derived;
mod integration {
    mod backfill_faults;
    mod batches;
    mod blocking_threads;
    mod changes;
    mod clock;
    mod commit_metadata;
    mod contract;
    mod crash;
    mod dashboards;
    mod dataset;
    mod deleted;
    mod determinism;
    mod doctor;
    mod enums;
    mod etags;
    mod exact_keys;
    mod extremes;
    mod follow;
    mod foreign_responses;
    mod go_files;
    mod guide;
    mod harness;
    mod keys;
    mod kill;
    mod late;
    mod like_go;
    mod listing;
    mod metrics;
    mod neighbours;
    mod operating;
    mod optimistic;
    mod other_readers;
    mod partial_writes;
    mod permits;
    mod poll_time;
    mod race;
    mod read;
    mod records;
    mod replay;
    mod requests;
    mod restamps;
    mod retry;
    mod schema;
    mod skew;
    mod snapshots;
    mod stored_values;
    mod stream;
    mod tokens;
    mod view;
    mod warnings;
    mod write;
}
mod ui;
