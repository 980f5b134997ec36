//! Initialising a dataset: its two durations, written once.

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::time::Duration;

use aws_sdk_s3::Client;
use bytes::Bytes;

use super::Dataset;
use super::options::{DatasetOptions, Unopened};
use super::timing::{self, Found, Timing};
use crate::error::{Error, ErrorKind, Result};
use crate::format::GoDuration;
use crate::metrics::{Method, Operation};
use crate::s3::{Class, Put, Strictly};

/// Initialises a dataset when awaited. Made by [`Dataset::init`] and [`DatasetOptions::init`].
///
/// It looks first: where both durations are there with the same values (as durations, `15s` is `15000ms`), nothing is
/// written. Otherwise it writes what is missing, the commit timeout first, and never over something that is there, so
/// that of two that run at once with different values one is refused and no mixture of both remains. (Where the backend
/// ignores `If-None-Match` this can't be kept; initialise such a prefix from one place.)
///
/// # Errors
/// - [`Config`](crate::ErrorKind::Config): the dataset was initialised with other values. They can't be changed, since
///   that would rewrite history; take another prefix.
/// - As [`DatasetOptions::open`] otherwise.
///
/// # Cancel safety
/// Dropped, it may leave one of the two objects written. Running it again with the same values completes it.
///
/// # Requests
/// 2 GET where it was done before; otherwise up to 2 PUT more, each followed by 2 GET that look at what is there.
#[must_use = "nothing happens until it is awaited"]
#[derive(Debug)]
pub struct Init {
    options: DatasetOptions,
    client: Client,
    bucket: String,
    prefix: String,
    timing: Timing,
}

/// What [`Dataset::init`] did.
#[derive(Debug, Clone)]
#[must_use]
pub enum Initialized {
    /// The dataset was initialised by this call, or completed.
    Created(Dataset),
    /// It had been initialised with the same values, before or at the same time.
    Found(Dataset),
}

impl Initialized {
    /// The dataset, open.
    #[must_use]
    pub fn into_dataset(self) -> Dataset {
        match self {
            Self::Created(dataset) | Self::Found(dataset) => dataset,
        }
    }
}

impl Init {
    pub(super) fn new(options: DatasetOptions, client: Client, bucket: String, prefix: String) -> Self {
        let timing = Timing { commit_timeout: Duration::from_secs(15), max_clock_skew: Duration::from_secs(1) };
        Self { options, client, bucket, prefix, timing }
    }

    /// The budget of a write from its ref to its commit: at least 1 ms, and 8 s or more in production. Default 15 s.
    pub fn commit_timeout(mut self, timeout: Duration) -> Self {
        self.timing.commit_timeout = timeout;
        self
    }

    /// How far the clocks of writers and readers may differ. Default 1 s.
    pub fn max_clock_skew(mut self, skew: Duration) -> Self {
        self.timing.max_clock_skew = skew;
        self
    }

    async fn run(self) -> Result<Initialized> {
        let Self { options, client, bucket, prefix, timing } = self;
        if timing.commit_timeout < Duration::from_millis(1) {
            return Err(Error::invalid_input(format!(
                "a commit timeout of {:?} is below the least, 1ms",
                timing.commit_timeout
            )));
        }
        let commit_timeout = GoDuration::try_from(timing.commit_timeout)?.to_string();
        let max_clock_skew = GoDuration::try_from(timing.max_clock_skew)?.to_string();
        let unopened = options.connect(client, bucket, prefix)?;
        let call = unopened.client.metrics().call(Method::Init);
        let created = call.run(|_| put_missing(&unopened, timing, commit_timeout, max_clock_skew)).await?;
        let dataset = unopened.into_dataset(timing);
        Ok(if created { Initialized::Created(dataset) } else { Initialized::Found(dataset) })
    }
}

/// Puts what is not there yet, the commit timeout first, and refuses other values. Tells whether it put anything.
async fn put_missing(
    unopened: &Unopened,
    timing: Timing,
    commit_timeout: String,
    max_clock_skew: String,
) -> Result<bool> {
    let found = timing::find(&unopened.client, &unopened.prefix).await?;
    refuse_others(unopened, found, timing)?;
    if let Found { commit_timeout: Some(_), max_clock_skew: Some(_) } = found {
        return Ok(false);
    }
    let mut created = false;
    if found.commit_timeout.is_none() {
        created |= put(unopened, unopened.prefix.commit_timeout_key(), commit_timeout).await?;
        // Another init may have been first: its values count, and its partner may not be written yet.
        refuse_others(unopened, timing::find(&unopened.client, &unopened.prefix).await?, timing)?;
    }
    if found.max_clock_skew.is_none() {
        created |= put(unopened, unopened.prefix.max_clock_skew_key(), max_clock_skew).await?;
    }
    let now = timing::find(&unopened.client, &unopened.prefix).await?;
    refuse_others(unopened, now, timing)?;
    now.require(&unopened.client, &unopened.prefix)?;
    Ok(created)
}

impl IntoFuture for Init {
    type Output = Result<Initialized>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

/// Fails if what lies in the bucket differs from what is wanted.
fn refuse_others(unopened: &Unopened, found: Found, wanted: Timing) -> Result<()> {
    let checks = [
        (unopened.prefix.commit_timeout_key(), found.commit_timeout, wanted.commit_timeout),
        (unopened.prefix.max_clock_skew_key(), found.max_clock_skew, wanted.max_clock_skew),
    ];
    for (key, found, wanted) in checks {
        if let Some(found) = found.filter(|found| *found != wanted) {
            return Err(Error::new(
                ErrorKind::Config,
                format!(
                    "{key} says {found:?}, not {wanted:?}: the dataset was initialised with other values, \
                     which can't be changed; open it as it is, or take another prefix"
                ),
            ));
        }
    }
    Ok(())
}

/// Puts a configuration object unless it exists, and tells whether it did.
async fn put(unopened: &Unopened, key: String, body: String) -> Result<bool> {
    let permit = unopened.client.permit(Operation::Put).await?;
    let put = Put::new(&key, Bytes::from(body));
    match unopened.client.put_new(&permit, &put, Strictly::No).await {
        Ok(()) => Ok(true),
        // An uncertain try before it may have been what put the object.
        Err(failure) if failure.class == Class::Precondition => Ok(failure.uncertain),
        Err(failure) => Err(failure.into_error(format!("put {key}"))),
    }
}
