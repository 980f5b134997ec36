//! Two concurrent writers with the same token.

use std::sync::Arc;

use s3store::Dataset;
use tokio::sync::Barrier;

use crate::integration::harness::Server;
use crate::integration::records::Event;

const ROUNDS: usize = 1_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_writers_get_the_same_commit() {
    let server = Server::start().await;
    let open = || Dataset::options().init(server.client.clone(), &server.bucket, &server.prefix);
    let writers = [open().await.unwrap().into_dataset(), open().await.unwrap().into_dataset()];
    let stores = writers.each_ref().map(|dataset| dataset.store::<Event>());
    let mut contested = 0;
    for round in 0..ROUNDS {
        let barrier = Arc::new(Barrier::new(2));
        let tasks = stores.clone().map(|store| {
            let barrier = Arc::clone(&barrier);
            tokio::spawn(async move {
                let part = format!("round-{round:04}");
                let records = Event::of(&[&part], 1);
                barrier.wait().await;
                store.write(&records).token("contested").await.unwrap()
            })
        });
        let [one, two] = tasks;
        let (one, two) = (one.await.unwrap(), two.await.unwrap());
        assert_eq!(one, two, "round {round}");
        let files = format!("{}/data/part=round-{round:04}/", server.prefix);
        let listed = server.client.list_objects_v2().bucket(&server.bucket).prefix(files).send().await.unwrap();
        let keys: Vec<_> = listed.contents().iter().filter_map(|object| object.key()).collect();
        assert_eq!(keys.iter().filter(|key| key.ends_with(".commit")).count(), 1, "{keys:?}");
        contested += usize::from(keys.len() > 2);
    }
    assert_eq!(stores[0].read_all().await.unwrap().len(), ROUNDS);
    println!("{ROUNDS} rounds on {}; in {contested} both writers uploaded a file", server.name());
    assert!(contested > 0, "no round was contested");
}
