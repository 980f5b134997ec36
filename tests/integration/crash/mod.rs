//! Crash points of the write protocol, all of them: every request of a write, times everything that can happen to a
//! request, times what is done about it afterwards. After each stage the bucket and a reader must agree with what
//! the writers were told.
//!
//! The requests are those of a clean run, so that a request that is added to the protocol is added here by itself.
//! Nothing is sampled. Time is paused: a try that runs into its deadline costs nothing.

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

fn in_paused_time<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(future)
}
