//! Initialising a dataset: its two durations are written once.

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::time::Duration;

use aws_sdk_s3::Client;
use bytes::Bytes;

use super::handle::Dataset;
use super::options::{DatasetOptions, Unopened};
use super::timing::{StoredTiming, Timing};
use crate::error::{Error, ErrorKind, Result};
use crate::format::GoDuration;
use crate::metrics::Method;
use crate::s3::Put;

impl Dataset {
    /// Initialises a dataset with the default options. Await the returned builder, which also sets the timing.
    ///
    /// See [`Init`] for the errors, requests and what happens if it is dropped.
    ///
    /// # Example
    /// ```
    /// # async fn example(client: aws_sdk_s3::Client) -> s3store::Result<()> {
    /// use std::time::Duration;
    ///
    /// use s3store::Dataset;
    ///
    /// let init = Dataset::init(client, "warehouse", "billing").commit_timeout(Duration::from_secs(30));
    /// let dataset = init.await?.into_dataset();
    /// # Ok(())
    /// # }
    /// ```
    pub fn init(client: Client, bucket: impl Into<String>, prefix: impl Into<String>) -> Init {
        Self::options().init(client, bucket, prefix)
    }
}

impl DatasetOptions {
    /// Initialises a dataset with these options. Await the returned builder, which also sets the timing.
    ///
    /// See [`Init`] for the errors, requests and what happens if it is dropped.
    ///
    /// # Example
    /// ```
    /// # async fn example(client: aws_sdk_s3::Client) -> s3store::Result<()> {
    /// use s3store::Dataset;
    /// use s3store::dataset::Initialized;
    ///
    /// match Dataset::options().max_inflight_requests(4).init(client, "warehouse", "billing").await? {
    ///     Initialized::Created(dataset) => println!("initialised {dataset:?}"),
    ///     Initialized::Found(dataset) => println!("{dataset:?} was initialised before"),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn init(self, client: Client, bucket: impl Into<String>, prefix: impl Into<String>) -> Init {
        let timing = Timing { commit_timeout: Duration::from_secs(15), max_clock_skew: Duration::from_secs(1) };
        Init { options: self, client, bucket: bucket.into(), prefix: prefix.into(), timing }
    }
}

/// A builder that initialises a dataset when awaited. Made by [`Dataset::init`] and [`DatasetOptions::init`].
///
/// It first reads what the bucket contains. If it contains both durations with the same values, it writes nothing; `15s`
/// and `15000ms` are the same value. Otherwise it puts the missing ones, the commit timeout first, and never overwrites
/// an object. If two run at the same time with different values, one fails, and the bucket never contains a mixture. A
/// backend that ignores `If-None-Match` can't guarantee this; on such a backend, initialise a prefix from one place only.
///
/// # Errors
/// - [`Config`](crate::ErrorKind::Config): the dataset was initialised with other values. They can't be changed, because
///   that would rewrite history. Use another prefix.
/// - Otherwise it fails as [`DatasetOptions::open`] does.
///
/// # Cancel safety
/// Dropping the future may leave one of the two objects written. Running it again with the same values writes the other.
///
/// # Requests
/// 2 GET if the dataset is initialised already. Otherwise up to 2 PUT more, each followed by 2 GET that verify the result.
/// On a server whose `ETag`s are not MD5s and that confirms no checksums, 1 GET more.
#[must_use = "nothing happens until it is awaited"]
#[derive(Debug)]
pub struct Init {
    options: DatasetOptions,
    client: Client,
    bucket: String,
    prefix: String,
    timing: Timing,
}

/// The result of [`Dataset::init`]: an open dataset, and whether this call initialised it.
#[derive(Debug, Clone)]
#[must_use]
pub enum Initialized {
    /// This call initialised the dataset, or wrote an object that was missing.
    Created(Dataset),
    /// The dataset was initialised with the same values, earlier or at the same time.
    Found(Dataset),
}

impl Initialized {
    /// Returns the open dataset.
    #[must_use]
    pub fn into_dataset(self) -> Dataset {
        match self {
            Self::Created(dataset) | Self::Found(dataset) => dataset,
        }
    }
}

impl Init {
    /// Sets the budget of a write from its ref to its commit: at least 1 ms, in production 8 s or more. Default: 15 s.
    pub fn commit_timeout(mut self, timeout: Duration) -> Self {
        self.timing.commit_timeout = timeout;
        self
    }

    /// Sets how far the clocks of writers and readers may differ. Default: 1 s.
    pub fn max_clock_skew(mut self, skew: Duration) -> Self {
        self.timing.max_clock_skew = skew;
        self
    }

    /// Returns the dataset as it would be after initialising it, without writing anything: 2 GET. Refuses another timing.
    pub(crate) async fn preview(self) -> Result<Dataset> {
        let Self { options, client, bucket, prefix, timing } = self;
        let unopened = options.connect(client, bucket, prefix)?;
        let stored = StoredTiming::get(&unopened.client, &unopened.prefix).await?;
        refuse_others(&unopened, stored, timing)?;
        Ok(unopened.into_dataset(timing))
    }

    async fn run(self) -> Result<Initialized> {
        let Self { options, client, bucket, prefix, timing } = self;
        if timing.commit_timeout < Duration::from_millis(1) {
            return Err(Error::invalid_input(format!(
                "a commit timeout of {:?} is too short; give at least 1ms",
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

impl IntoFuture for Init {
    type Output = Result<Initialized>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

/// Puts the missing objects, the commit timeout first, and refuses other values. Returns `true` if it put anything.
async fn put_missing(
    unopened: &Unopened,
    timing: Timing,
    commit_timeout: String,
    max_clock_skew: String,
) -> Result<bool> {
    let Unopened { client, prefix, .. } = unopened;
    let stored = StoredTiming::get(client, prefix).await?;
    refuse_others(unopened, stored, timing)?;
    if let StoredTiming { commit_timeout: Some(_), max_clock_skew: Some(_) } = stored {
        return Ok(false);
    }
    let mut created = false;
    if stored.commit_timeout.is_none() {
        created |= put(unopened, prefix.commit_timeout_key(), commit_timeout).await?;
        // Another init may have been first. Then its values count, even if it has not put its second object yet.
        refuse_others(unopened, StoredTiming::get(client, prefix).await?, timing)?;
    }
    if stored.max_clock_skew.is_none() {
        created |= put(unopened, prefix.max_clock_skew_key(), max_clock_skew).await?;
    }
    let stored = StoredTiming::get(client, prefix).await?;
    refuse_others(unopened, stored, timing)?;
    stored.require(client, prefix)?;
    Ok(created)
}

/// Fails if the bucket contains other values than the wanted ones.
fn refuse_others(unopened: &Unopened, stored: StoredTiming, wanted: Timing) -> Result<()> {
    let checks = [
        (unopened.prefix.commit_timeout_key(), stored.commit_timeout, wanted.commit_timeout),
        (unopened.prefix.max_clock_skew_key(), stored.max_clock_skew, wanted.max_clock_skew),
    ];
    for (key, stored, wanted) in checks {
        if let Some(stored) = stored.filter(|stored| *stored != wanted) {
            return Err(Error::new(
                ErrorKind::Config,
                format!(
                    "{key} is {stored:?}, not {wanted:?}: the dataset was initialised with other values, \
                     which can't be changed; open it as it is, or use another prefix"
                ),
            ));
        }
    }
    Ok(())
}

/// Puts a configuration object unless it exists. Returns `true` if it put the object, or may have.
async fn put(unopened: &Unopened, key: String, body: String) -> Result<bool> {
    unopened.client.put_if_absent(Put::new(key, Bytes::from(body))).await
}
