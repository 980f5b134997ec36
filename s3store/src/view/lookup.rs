//! Tuples by their markers: LISTs alone.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::marker::PhantomData;
use std::pin::Pin;

use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::sync::mpsc::Sender;

use crate::dataset::{Dataset, ResultStream, TaskStream};
use crate::error::{Error, Result};
use crate::metrics::Method;
use crate::pattern::{ListPlan, Listing, Pattern};
use crate::record::View;
use crate::s3::ListFrom;

/// Pages between the listings and the consumer.
const PAGES_READY: usize = 2;

/// A look-up, made by [`ViewReader::lookup`](crate::ViewReader::lookup). Await it, or take its stream.
#[must_use = "nothing is looked up until it is awaited or streamed"]
pub struct Lookup<V> {
    dataset: Dataset,
    patterns: Result<Vec<Pattern>>,
    view: PhantomData<fn() -> V>,
}

/// A marker's tuple as text, and the value.
type Found<V> = (String, V);

impl<V: View> Lookup<V> {
    pub(super) fn new(dataset: Dataset, patterns: Result<Vec<Pattern>>) -> Self {
        Self { dataset, patterns, view: PhantomData }
    }

    /// The tuples as a stream, for views with millions of them: it holds a few pages at a time. They come in the order
    /// in which pages arrive.
    #[must_use = "a stream does nothing until it is polled"]
    pub fn stream(self) -> ResultStream<V> {
        ResultStream::new(self.start(), |page| page.into_iter().map(|(_, value)| value).collect())
    }

    fn start(self) -> TaskStream<Vec<Found<V>>> {
        let metrics = self.dataset.metrics().clone();
        TaskStream::new(PAGES_READY, move || metrics.call(Method::Lookup), |out, _| self.run(out))
    }

    /// All pages, each as soon as it is there.
    async fn run(self, out: Sender<Result<Vec<Found<V>>>>) {
        let Self { dataset, patterns, .. } = self;
        let listings = match patterns {
            Ok(patterns) => ListPlan::new(patterns, V::COLUMNS).into_listings(),
            Err(error) => return drop(out.send(Err(error)).await),
        };
        let side_by_side = dataset.client().permits();
        dataset.metrics().fanout(listings.len(), side_by_side);
        let (dataset, out) = (&dataset, &out);
        let mut listed = stream::iter(listings.into_iter().map(|listing| pages::<V>(dataset, listing, out)))
            .buffer_unordered(side_by_side);
        loop {
            match listed.try_next().await {
                Ok(Some(())) => {}
                Ok(None) => return,
                Err(error) => return drop(out.send(Err(error)).await),
            }
        }
    }
}

/// Sends the pages of one listing.
async fn pages<V: View>(dataset: &Dataset, listing: Listing, out: &Sender<Result<Vec<Found<V>>>>) -> Result<()> {
    let prefix = format!("{}{}", dataset.keys().view_prefix(V::NAME), listing.prefix());
    let mut next = None::<String>;
    loop {
        let page = dataset.list_page(&prefix, ListFrom { next: next.as_deref(), ..ListFrom::default() }).await?;
        let mut found = Vec::with_capacity(page.objects.len());
        for object in page.objects {
            // What is no marker was put there by somebody else.
            let Some(tuple) = dataset.keys().marker_tuple(V::NAME, &object.key) else { continue };
            if listing.matches(tuple, V::COLUMNS) {
                found.push((tuple.to_owned(), value(dataset, &object.key)?));
            }
        }
        if out.send(Ok(found)).await.is_err() {
            return Ok(());
        }
        match page.next {
            Some(more) => next = Some(more),
            None => return Ok(()),
        }
    }
}

fn value<V: View>(dataset: &Dataset, key: &str) -> Result<V> {
    let values = dataset.keys().parse_marker_key(V::NAME, V::COLUMNS, key).ok_or_else(|| {
        let columns = V::COLUMNS.join("/");
        Error::invalid_data(format!("{key}: expected the columns {columns}; was the view another one once?"))
    })?;
    V::from_tuple(&values).map_err(|error| Error::invalid_data(format!("{key}: {error}")))
}

impl<V: View> IntoFuture for Lookup<V> {
    type Output = Result<Vec<V>>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let mut pages = self.start();
            let mut found = Vec::new();
            while let Some(page) = pages.next().await {
                found.extend(page?);
            }
            found.sort_unstable_by(|(a, _), (b, _)| a.split('/').cmp(b.split('/')));
            Ok(found.into_iter().map(|(_, value)| value).collect())
        })
    }
}

impl<V> fmt::Debug for Lookup<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lookup").field("patterns", &self.patterns).finish_non_exhaustive()
    }
}
