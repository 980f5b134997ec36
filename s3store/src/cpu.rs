//! Threads for CPU work: encoding, decoding, merging, and finding the tuples of views.
//!
//! The process has one thread per core for this work, started with the first job. Tokio's threads for blocking work are
//! not used: they belong to the program, whose own blocking tasks may all wait for a read. Then the read's decoding would
//! queue behind its own callers.
//!
//! A job only computes. It never waits for a permit, a request or a consumer, so the queue always moves. It may share its
//! work with the other threads by [`each`].

use std::any::Any;
use std::cell::Cell;
use std::future::Future;
use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;
use std::thread;

use futures_util::future::Either;
use rayon_core::{ThreadPool, ThreadPoolBuilder};
use tokio::sync::oneshot;

use crate::clock::Clock;
use crate::error::{Error, Result};

/// Starts a job and returns a future of its result.
///
/// The job is queued at once, before the future is polled. Jobs start in the order in which they were queued. Dropping
/// the future removes a job that has not started.
///
/// With a virtual clock the job runs on the caller's thread before this function returns. Tokio's paused time would
/// otherwise move on while the job runs, and the order of events would depend on the threads.
///
/// # Errors
/// `Internal` if the job panics.
pub(crate) fn run<T, W>(clock: &Clock, work: W) -> impl Future<Output = Result<T>> + Send + use<T, W>
where
    T: Send + 'static,
    W: FnOnce() -> Result<T> + Send + 'static,
{
    let pool = if clock.is_virtual() { None } else { pool() };
    match pool {
        Some(pool) => Either::Left(queue(pool, work)),
        None => Either::Right(std::future::ready(caught(work))),
    }
}

fn queue<T, W>(pool: &ThreadPool, work: W) -> impl Future<Output = Result<T>> + Send + use<T, W>
where
    T: Send + 'static,
    W: FnOnce() -> Result<T> + Send + 'static,
{
    let (sender, result) = oneshot::channel();
    // From a thread outside of the pool, both kinds of `spawn` append to one queue.
    pool.spawn_fifo(move || {
        if !sender.is_closed() {
            // The caller may have gone away meanwhile.
            let _ = sender.send(caught(work));
        }
    });
    async { result.await.unwrap_or_else(|_| Err(Error::internal("a job of the cpu threads was dropped"))) }
}

/// Calls `work` for each item, on all threads for CPU work if the caller is one of them. Returns when all calls have
/// returned, with the results in order.
///
/// While a thread waits for the others, it takes other jobs. One that is started so does not share its own work: otherwise
/// jobs could be nested without a limit.
pub(crate) fn each<T: Send, R: Send>(items: Vec<T>, work: impl Fn(T) -> R + Sync) -> Vec<R> {
    thread_local! {
        static IS_WAITING: Cell<bool> = const { Cell::new(false) };
    }
    struct Waiting;
    impl Drop for Waiting {
        fn drop(&mut self) {
            IS_WAITING.set(false);
        }
    }
    if items.len() < 2 || !has_help() || IS_WAITING.replace(true) {
        return items.into_iter().map(work).collect();
    }
    let _waiting = Waiting;
    let mut results: Vec<Option<R>> = items.iter().map(|_| None).collect();
    rayon_core::scope(|scope| {
        for (item, result) in items.into_iter().zip(&mut results) {
            let work = &work;
            scope.spawn(move |_| *result = Some(work(item)));
        }
    });
    results.into_iter().flatten().collect()
}

/// Returns whether the caller is one of several threads for CPU work.
fn has_help() -> bool {
    // The number of threads may only be asked for on one of them: elsewhere it would start threads.
    rayon_core::current_thread_index().is_some() && rayon_core::current_num_threads() > 1
}

/// Runs a job and converts a panic to an error.
fn caught<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let message = panic_message(panic.as_ref());
        Err(Error::internal(format!("encoding or decoding panicked: {message}")))
    })
}

fn panic_message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}

/// Returns the number of the machine's cores that the process may use.
pub(crate) fn cores() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}

/// Returns the threads, or `None` if the process can't start any. Jobs then run on the threads of their callers.
fn pool() -> Option<&'static ThreadPool> {
    static POOL: OnceLock<Option<ThreadPool>> = OnceLock::new();
    let start = |threads: usize| {
        // The number is explicit, because the builder would otherwise read it from an environment variable.
        let builder = ThreadPoolBuilder::new().num_threads(threads).thread_name(|n| format!("s3store-cpu-{n}"));
        builder
            .build()
            .inspect_err(|error| tracing::warn!(%error, threads, "can't start the threads for cpu work"))
            .ok()
    };
    POOL.get_or_init(|| start(cores()).or_else(|| start(1))).as_ref()
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::error::ErrorKind;

    #[tokio::test]
    async fn a_panic_is_an_internal_error_with_its_message() {
        for clock in [Clock::machine(), Clock::virtual_time()] {
            let error = run::<(), _>(&clock, || panic!("midway {}", 7)).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Internal);
            assert!(error.to_string().contains("midway 7"), "{error}");
            assert_eq!(run(&clock, || Ok(7)).await.unwrap(), 7, "no job runs after a panic");
        }
    }

    #[tokio::test]
    async fn jobs_run_on_threads_of_their_own_and_on_the_callers_thread_in_virtual_time() {
        let thread = || Ok(thread::current().id());
        assert_ne!(run(&Clock::machine(), thread).await.unwrap(), thread::current().id());
        assert_eq!(run(&Clock::virtual_time(), thread).await.unwrap(), thread::current().id());
    }

    /// Returns a pool of one thread that is busy until the sender is dropped.
    fn busy_pool() -> (ThreadPool, mpsc::Sender<()>) {
        let pool = ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        let (release, released) = mpsc::channel::<()>();
        let (started, start) = mpsc::channel();
        pool.spawn_fifo(move || {
            started.send(()).unwrap();
            let _ = released.recv();
        });
        start.recv().unwrap();
        (pool, release)
    }

    #[tokio::test]
    async fn jobs_start_in_the_order_in_which_they_were_queued() {
        let (pool, release) = busy_pool();
        let order = Arc::<Mutex<Vec<usize>>>::default();
        let jobs: Vec<_> = (0..100)
            .map(|number| {
                let order = Arc::clone(&order);
                queue(&pool, move || {
                    order.lock().unwrap().push(number);
                    Ok(())
                })
            })
            .collect();
        drop(release);
        for job in jobs {
            job.await.unwrap();
        }
        assert_eq!(*order.lock().unwrap(), (0..100).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn a_job_shares_its_work_with_other_threads() {
        let pool = ThreadPoolBuilder::new().num_threads(3).build().unwrap();
        // Each call waits for the others, so all three run at once.
        let barrier = std::sync::Barrier::new(3);
        let work = |number: usize| {
            barrier.wait();
            (number * 2, thread::current().id())
        };
        let results = pool.install(|| each(vec![1, 2, 3], work));
        let numbers: Vec<_> = results.iter().map(|(number, _)| *number).collect();
        let threads: std::collections::HashSet<_> = results.iter().map(|(_, thread)| *thread).collect();
        assert_eq!((numbers, threads.len()), (vec![2, 4, 6], 3));
        // Work inside of shared work is not shared again by the thread that waits.
        let nested = pool.install(|| each(vec![10, 20], |tens| each(vec![1, 2], move |ones| tens + ones)));
        assert_eq!(nested, [[11, 12], [21, 22]]);
    }

    #[test]
    fn a_panic_in_shared_work_leaves_the_threads_usable() {
        let pool = ThreadPoolBuilder::new().num_threads(2).build().unwrap();
        let broken = || pool.install(|| each(vec![1, 2, 3], |number| assert_ne!(number, 2)));
        catch_unwind(AssertUnwindSafe(broken)).unwrap_err();
        let barrier = std::sync::Barrier::new(2);
        pool.install(|| each(vec![1, 2], |_| barrier.wait()));
    }

    #[tokio::test]
    async fn a_job_whose_future_was_dropped_does_not_start() {
        let (pool, release) = busy_pool();
        let (ran, runs) = mpsc::channel();
        drop(queue(&pool, move || ran.send(()).map_err(|_| Error::internal("no receiver"))));
        drop(release);
        queue(&pool, || Ok(())).await.unwrap();
        runs.recv().unwrap_err();
    }
}
