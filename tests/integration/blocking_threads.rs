//! The library never needs one of tokio's threads for blocking work, so callers may occupy all of them.

use std::sync::mpsc;
use std::time::Duration;

use futures_util::future::join_all;
use s3store::{Offset, Store};
use tokio::runtime::{Builder, Handle};

use crate::integration::harness::{Server, within};
use crate::integration::records::{Event, Parts};

/// How long a run may take in real time. It fails after that; a run that passes takes well under a second.
const PATIENCE: Duration = Duration::from_secs(60);

const PARTS: [&str; 3] = ["a", "b", "c"];

/// Runs one operation after the other on a thread for blocking work.
///
/// The clock of `store` is ahead, so that it polls what `writer` has just written.
fn use_everything(handle: &Handle, writer: &Store<Event>, store: &Store<Event>, caller: usize) {
    handle.block_on(async {
        let records = Event::of(&PARTS, 3);
        writer.write(&records).token(format!("t{caller}")).await.unwrap();
        assert!(store.read_all().await.unwrap().len() >= records.len());
        let mut stream = store.read("part=a").stream();
        while stream.try_next().await.unwrap().is_some() {}
        let page = store.poll_records(&Offset::START).await.unwrap();
        assert!(page.records.len() >= records.len());
        store.dataset().view::<Parts>().backfill("*").await.unwrap();
        store.dataset().doctor(..).await.unwrap();
    });
}

/// Lets many callers wait on threads for blocking work, of which there are only `threads`.
fn callers_on_blocking_threads(runtime: &mut Builder, threads: usize, callers: usize) {
    let runtime = runtime.enable_all().max_blocking_threads(threads).build().unwrap();
    let (done, all_done) = mpsc::channel();
    let run = async move {
        let server = Server::start().await;
        let writer = server.dataset().await.store::<Event>();
        let store = server.settled().await.store::<Event>();
        let waiting = (0..callers).map(|caller| {
            let (writer, store) = (writer.clone(), store.clone());
            tokio::task::spawn_blocking(move || use_everything(&Handle::current(), &writer, &store, caller))
        });
        let results = join_all(waiting).await;
        done.send(results.into_iter().all(|result| result.is_ok())).unwrap();
    };
    let driver = std::thread::spawn(move || {
        runtime.block_on(within(PATIENCE, run));
        runtime.shutdown_background();
    });
    let finished = all_done.recv_timeout(PATIENCE * 2);
    assert_eq!(finished, Ok(true), "{callers} callers on {threads} blocking threads did not end");
    driver.join().unwrap();
}

#[test]
fn callers_may_occupy_all_blocking_threads() {
    for threads in 1..=4 {
        callers_on_blocking_threads(&mut Builder::new_multi_thread(), threads, 3 * threads);
    }
}

#[test]
fn callers_may_occupy_all_blocking_threads_of_a_current_thread_runtime() {
    for threads in [1, 4] {
        callers_on_blocking_threads(&mut Builder::new_current_thread(), threads, 3 * threads);
    }
}

#[test]
fn more_callers_than_tokio_has_blocking_threads() {
    // Tokio's default is 512 threads.
    let mut runtime = Builder::new_multi_thread();
    let runtime = runtime.worker_threads(2).enable_all().build().unwrap();
    let (done, all_done) = mpsc::channel();
    std::thread::spawn(move || {
        runtime.block_on(async {
            let server = Server::start().await;
            let store = server.dataset().await.store::<Event>();
            store.write(&Event::of(&PARTS, 3)).await.unwrap();
            let waiting = (0..600).map(|_| {
                let (store, handle) = (store.clone(), Handle::current());
                tokio::task::spawn_blocking(move || handle.block_on(async { store.read_all().await.unwrap().len() }))
            });
            let counts = join_all(waiting).await;
            done.send(counts.into_iter().map(Result::unwrap).sum::<usize>()).unwrap();
        });
    });
    assert_eq!(all_done.recv_timeout(PATIENCE), Ok(600 * 9), "600 callers on tokio's default threads did not end");
}
