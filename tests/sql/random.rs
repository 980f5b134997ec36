//! Random datasets and random queries, against reads, DataFusion's own tables and a plain model.

use proptest::prelude::*;

use super::generated::{Cost, check_model, commit, query, write};
use super::support::Sessions;
use crate::harness::Virtual;

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn queries_have_the_answers_of_reads_and_of_a_model(
        writes in prop::collection::vec(write(), 1..6),
        queries in prop::collection::vec(query(), 6),
        partitions in 1_usize..5,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let world = Virtual::new();
            let dataset = world.dataset().await;
            for write in &writes {
                commit(&world.s3.client(), &dataset, write).await;
                crate::harness::sleep(std::time::Duration::from_secs(1)).await;
            }
            let store = dataset.store::<Cost>();
            let sessions = Sessions::new(&store, &store.table(), &[("client", "customer")], partitions).await;
            for query in &queries {
                sessions.check(query).await;
            }
            check_model(&sessions, &writes).await;
        });
    }
}
