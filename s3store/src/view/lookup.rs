//! Look-ups: list a view's markers and return their tuples. No file is read.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::sync::mpsc::Sender;

use crate::dataset::{Dataset, ResultStream, Subject, TaskStream};
use crate::error::{Error, Result};
use crate::format::PartitionKey;
use crate::metrics::{Method, Tally};
use crate::pattern::{ListPlan, Listing, Pattern};
use crate::record::{ValueError, View};
use crate::schema::Access;
#[cfg(feature = "datafusion")]
use crate::schema::SchemaView;

/// Listed pages that may wait for the consumer.
const PAGES_AHEAD: usize = 2;

/// A look-up, made by [`ViewReader::lookup`](super::ViewReader::lookup). Await it, or take its
/// [`stream`](Lookup::stream).
#[must_use = "nothing is looked up until it is awaited or streamed"]
pub struct Lookup<V> {
    dataset: Dataset,
    patterns: Result<Vec<Pattern>>,
    view: PhantomData<fn() -> V>,
}

/// A tuple that a pattern selects: its text, by which results are sorted, and its value.
type Match<V> = (String, V);

impl<V: View> Lookup<V> {
    pub(super) fn new(dataset: Dataset, patterns: Result<Vec<Pattern>>) -> Self {
        Self { dataset, patterns, view: PhantomData }
    }

    /// Returns the tuples as a stream, in the order in which listed pages arrive.
    ///
    /// It holds a few pages at a time, so it suits views with millions of tuples.
    ///
    /// # Example
    /// ```
    /// # async fn example(view: s3store::view::ViewReader<impl s3store::View>) -> s3store::Result<()> {
    /// let mut tuples = view.lookup("sku=SKU-1/*/*").stream();
    /// while let Some(tuple) = tuples.try_next().await? { /* … */ }
    /// # Ok(())
    /// # }
    /// ```
    #[must_use = "a stream does nothing until it is polled"]
    pub fn stream(self) -> ResultStream<V> {
        ResultStream::new(self.pages(), |page| page.into_iter().map(|(_, value)| value).collect())
    }

    fn pages(self) -> TaskStream<Vec<Match<V>>> {
        let metrics = self.dataset.metrics().clone();
        TaskStream::new(PAGES_AHEAD, move || metrics.call(Method::Lookup), |out, tally| self.run(out, tally))
    }

    /// Sends the matches of each listed page as soon as it arrives.
    async fn run(self, out: Sender<Result<Vec<Match<V>>>>, tally: Arc<Tally>) {
        let Self { dataset, patterns, .. } = self;
        let patterns = match patterns {
            Ok(patterns) => dataset.check_schema(Subject::view::<V>(Access::LookUp)).await.map(|()| patterns),
            invalid => invalid,
        };
        let patterns = match patterns {
            Ok(patterns) => patterns,
            Err(error) => return drop(out.send(Err(error)).await),
        };
        let view = ListedView { dataset: &dataset, name: V::NAME, columns: V::COLUMNS };
        view.list(patterns, &|values| V::from_tuple(values), &out, &tally).await;
    }
}

/// A view whose markers are listed.
struct ListedView<'a> {
    dataset: &'a Dataset,
    name: &'a str,
    columns: &'a [&'a str],
}

/// Makes a tuple of the texts of its values.
type ParseTuple<'p, V> = &'p (dyn Fn(&[&str]) -> std::result::Result<V, ValueError> + Sync);

impl ListedView<'_> {
    /// Lists the markers that the patterns select, side by side, and sends the matches of each page.
    async fn list<V: Send>(
        &self,
        patterns: Vec<Pattern>,
        parse: ParseTuple<'_, V>,
        out: &Sender<Result<Vec<Match<V>>>>,
        tally: &Tally,
    ) {
        let listings = ListPlan::new(patterns, self.columns).into_listings();
        let side_by_side = self.dataset.client().permits();
        self.dataset.metrics().fanout(listings.len(), side_by_side);
        let listings = listings.into_iter().map(|listing| self.list_matches(listing, parse, out, tally));
        let mut listed = stream::iter(listings).buffer_unordered(side_by_side);
        loop {
            match listed.try_next().await {
                Ok(Some(())) => {}
                Ok(None) => return,
                Err(error) => return drop(out.send(Err(error)).await),
            }
        }
    }

    /// Lists the markers under one prefix and sends the matches of each page.
    async fn list_matches<V>(
        &self,
        listing: Listing,
        parse: ParseTuple<'_, V>,
        out: &Sender<Result<Vec<Match<V>>>>,
        tally: &Tally,
    ) -> Result<()> {
        let keys = self.dataset.keys();
        let prefix = format!("{}{}", keys.view_prefix(self.name), listing.prefix());
        let mut pages = self.dataset.client().list(prefix);
        while let Some(page) = pages.next().await? {
            let mut matches = Vec::with_capacity(page.objects.len());
            for object in page.objects {
                // Other objects under the prefix were not put by this library.
                let Some(tuple) = keys.marker_tuple(self.name, &object.key) else { continue };
                // A dataset may be nested in the view's folder.
                if !PartitionKey::is_well_formed(tuple) {
                    continue;
                }
                if listing.matches(tuple, self.columns) {
                    matches.push((tuple.to_owned(), self.parse_marker(&object.key, parse)?));
                }
            }
            let count = matches.len() as u64;
            if out.send(Ok(matches)).await.is_err() {
                break;
            }
            tally.records(count);
        }
        Ok(())
    }

    fn parse_marker<V>(&self, key: &str, parse: ParseTuple<'_, V>) -> Result<V> {
        let values = self.dataset.keys().parse_marker_key(self.name, self.columns, key).ok_or_else(|| {
            let columns = self.columns.join("/");
            Error::invalid_data(format!(
                "{key}: expected the columns {columns}; did the view have other columns before?"
            ))
        })?;
        parse(&values).map_err(|error| Error::invalid_data(format!("{key}: {error}")))
    }
}

/// Returns the tuples of a view that is known by its schema, as text, in the order in which listed pages arrive.
#[cfg(feature = "datafusion")]
pub(crate) fn tuples(
    dataset: &Dataset,
    view: SchemaView,
    patterns: Vec<Pattern>,
) -> TaskStream<Vec<Match<Vec<String>>>> {
    let (dataset, metrics) = (dataset.clone(), dataset.metrics().clone());
    TaskStream::new(
        PAGES_AHEAD,
        move || metrics.call(Method::Lookup),
        |out, tally| async move {
            let columns: Vec<_> = view.columns.iter().map(String::as_str).collect();
            let listed = ListedView { dataset: &dataset, name: &view.name, columns: &columns };
            let parse = |values: &[&str]| Ok(values.iter().map(|value| (*value).to_owned()).collect());
            listed.list(patterns, &parse, &out, &tally).await;
        },
    )
}

impl<V: View> IntoFuture for Lookup<V> {
    type Output = Result<Vec<V>>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let mut pages = self.pages();
            let mut matches = Vec::new();
            while let Some(page) = pages.next().await {
                matches.extend(page?);
            }
            matches.sort_unstable_by(|(a, _), (b, _)| a.split('/').cmp(b.split('/')));
            Ok(matches.into_iter().map(|(_, value)| value).collect())
        })
    }
}

impl<V> fmt::Debug for Lookup<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lookup").field("patterns", &self.patterns).finish_non_exhaustive()
    }
}
