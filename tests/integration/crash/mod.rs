//! All crash points of the write protocol: every request of a write, times everything that can happen to a request,
//! times every follow-up. After each stage the bucket, and a reader, must agree with what the writers reported.
//!
//! The requests are taken from a run without faults, so a request that is added to the protocol is covered
//! automatically. Nothing is sampled. Time is paused, so a try that times out takes no real time.

mod bucket;
mod case;
mod follow;
mod leap;
mod pages;
mod pairs;
mod poller;
mod run;
mod shape;
mod single;
mod stream;
mod strike;
mod tally;
mod target;
mod watch;
mod writer;

fn in_paused_time<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(future)
}
