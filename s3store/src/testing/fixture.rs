//! A dataset for a test, with its S3 and its clock.

use crate::clock::Clock;
use crate::dataset::{Dataset, DatasetOptions};
use crate::error::Result;

use super::{S3, ServerTime};

/// The bucket of a [`TestDataset`].
const BUCKET: &str = "test-bucket";

/// The prefix of a [`TestDataset`].
const PREFIX: &str = "dataset";

/// An initialised dataset on an in-process S3 of its own, both in virtual time.
///
/// Run the test with tokio's paused time, as `#[tokio::test(start_paused = true)]` does. Then deadlines, pauses between tries
/// and settle windows take no real time, and no run differs from another.
///
/// # Example
/// ```
/// use s3store::testing::TestDataset;
/// use s3store::{Offset, Record};
///
/// #[derive(Debug, Clone, PartialEq, Record)]
/// #[record(partition_by(kind))]
/// struct Event {
///     kind: String,
/// }
///
/// #[tokio::main(flavor = "current_thread", start_paused = true)]
/// async fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let test = TestDataset::new().await?;
///     let store = test.dataset.store::<Event>();
///     store.write(&[Event { kind: "click".into() }]).await?;
///
///     assert!(store.poll(&Offset::START).await?.entries.is_empty());
///     test.settle().await;
///     assert_eq!(store.poll(&Offset::START).await?.entries.len(), 1);
///     Ok(())
/// }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TestDataset {
    /// The S3, for faults, and to look at requests and objects.
    pub s3: S3,
    /// The clock of the dataset. It follows tokio's time, and can be set off to test what a wrong clock does.
    pub clock: Clock,
    /// The dataset, with the default options.
    pub dataset: Dataset,
}

impl TestDataset {
    /// Starts an S3 and initialises a dataset on it.
    ///
    /// # Errors
    /// None, unless a bug of the library makes `init` fail.
    pub async fn new() -> Result<Self> {
        let (s3, clock) = (S3::with_bucket(BUCKET), Clock::virtual_time());
        s3.set_time(ServerTime::Tokio(clock.now()));
        let init = Dataset::options().clock(clock.clone()).init(s3.client(), BUCKET, PREFIX);
        let dataset = init.await?.into_dataset();
        Ok(Self { s3, clock, dataset })
    }

    /// Opens the dataset again with other options, as another process does. The clock stays this one.
    ///
    /// # Errors
    /// Fails as [`DatasetOptions::open`] does.
    pub async fn open(&self, options: DatasetOptions) -> Result<Dataset> {
        options.clock(self.clock.clone()).open(self.s3.client(), BUCKET, PREFIX).await
    }

    /// Returns the keys of all objects, in order.
    #[must_use]
    pub fn keys(&self) -> Vec<String> {
        self.s3.keys(BUCKET)
    }

    /// Lets time pass until readers of the change stream receive everything that is committed.
    pub async fn settle(&self) {
        // One second more, because S3 reports whole seconds.
        let second = std::time::Duration::from_secs(1);
        self.clock.sleep(self.dataset.settle_window().saturating_add(second)).await;
    }
}
