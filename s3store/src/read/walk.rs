//! Walks through a listing, and hands over partitions as soon as no smaller one can come.

use std::collections::{BTreeMap, BTreeSet};
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::BoxFuture;
use futures_util::stream::{BoxStream, FuturesUnordered};
use futures_util::{FutureExt as _, StreamExt as _, stream};
use tokio::sync::Semaphore;

use super::folders::{KnownFolders, Limits, Plan, Sample};
use super::key_order::{KeyOrder, Verdict};
use super::side_by_side::SideBySide;
use crate::dataset::Dataset;
use crate::error::{Error, ErrorKind, Result};
use crate::format::{PartitionKey, Prefix};
use crate::pattern::{ListPlan, Listing, Pattern};
use crate::record::Names;
use crate::s3::{ListPage, ListedObject, PageAhead};

/// The number of partitions that may be listed on their own, beyond one for each page of the listing.
///
/// A UUID starts with four values that could be partitions. To list more of them would cost more than it gains.
const SPARE_REQUESTS: usize = 4;

/// A partition that is complete, and its objects: data files, commits, and whatever else has the name of one.
#[derive(Debug)]
pub(super) struct ListedPartition {
    pub(super) key: PartitionKey,
    pub(super) objects: Vec<ListedObject>,
}

/// The partitions that a caller waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Haste {
    /// The first partitions. A few requests may be sent so that they come earlier.
    First,
    /// All partitions.
    All,
}

/// The settings that all listings of a read share.
#[derive(Debug)]
pub(super) struct Scope {
    pub(super) dataset: Dataset,
    pub(super) names: Names,
    pub(super) haste: Haste,
    pub(super) limits: Limits,
    /// Counts the objects that listings side by side keep for the consumer.
    pub(super) ahead: Arc<Semaphore>,
    /// If `true`, a warning about partitions with other columns was logged.
    has_warned: AtomicBool,
}

impl Scope {
    pub(super) fn new(dataset: &Dataset, names: Names, haste: Haste, limits: Limits) -> Arc<Self> {
        let ahead = Arc::new(Semaphore::new(limits.objects_ahead));
        Arc::new(Self { dataset: dataset.clone(), names, haste, limits, ahead, has_warned: AtomicBool::new(false) })
    }
}

/// A listing to walk through.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) listing: Listing,
    /// Only partitions after this one count.
    pub(super) after: Option<Arc<str>>,
    /// The number of listings that may run side by side in place of this one.
    pub(super) width: usize,
    /// If `false`, the column of the first folders was divided already.
    pub(super) may_divide: bool,
}

/// Returns the partitions that the patterns select, in the order of their keys.
///
/// A partition comes as soon as no smaller one can, while the listing goes on. One listing fetches at most one page while it
/// waits for its consumer. If it is replaced by several, see [`SideBySide`].
pub(super) fn partitions(
    dataset: &Dataset,
    patterns: Vec<Pattern>,
    names: Names,
    haste: Haste,
) -> BoxStream<'static, Result<ListedPartition>> {
    partitions_of(Scope::new(dataset, names, haste, Limits::default()), patterns)
}

fn partitions_of(scope: Arc<Scope>, patterns: Vec<Pattern>) -> BoxStream<'static, Result<ListedPartition>> {
    let names = &scope.names;
    let mut listings = ListPlan::new(patterns, names).into_listings();
    listings.sort_by(|one, other| one.keys_start(names).cmp(other.keys_start(names)));
    let width = scope.dataset.client().permits();
    scope.dataset.metrics().fanout(listings.len(), width);
    if listings.len() == 1
        && let Some(listing) = listings.pop()
    {
        return walk(scope, Work { listing, after: None, width, may_divide: true });
    }
    SideBySide::new(scope, listings, None, width, |_| true).into_partitions()
}

/// Walks through one listing, or those that take its place.
pub(super) fn walk(scope: Arc<Scope>, work: Work) -> BoxStream<'static, Result<ListedPartition>> {
    // Begins with the first poll.
    let walk = stream::once(async move { Box::new(Walk::new(scope, work)) });
    let partitions = |walk| stream::try_unfold(Stage::Whole(walk), |stage| stage.next());
    walk.flat_map(partitions).boxed()
}

/// The way in which the rest of a listing is walked through.
enum Stage {
    Whole(Box<Walk>),
    Divided(SideBySide),
}

impl Stage {
    async fn next(self) -> Result<Option<(ListedPartition, Self)>> {
        let mut divided = match self {
            Self::Whole(mut walk) => match walk.next().await? {
                Turn::Partition(partition) => return Ok(Some((partition, Self::Whole(walk)))),
                Turn::End => return Ok(None),
                Turn::Divide(listings) => walk.divided(listings),
            },
            Self::Divided(divided) => divided,
        };
        Ok(divided.next().await?.map(|partition| (partition, Self::Divided(divided))))
    }
}

/// The partitions of a listing that were listed and not handed over yet.
#[derive(Debug)]
pub(super) struct ListedPartitions {
    prefix: Prefix,
    names: Names,
    listing: Listing,
    partitions: BTreeMap<PartitionKey, Vec<ListedObject>>,
    /// Partitions up to this one don't count.
    after: Option<Arc<str>>,
    /// The first key of a partition with other columns.
    other_columns: Option<String>,
    order: KeyOrder,
    pages: usize,
    /// The partitions that were asked for.
    asked: BTreeSet<String>,
    /// If `true`, no partition was handed over since the last page, and none was asked for.
    is_starving: bool,
}

/// The next step of [`ListedPartitions`].
#[derive(Debug)]
pub(super) enum Step {
    /// The next partition in the order of keys.
    Partition(ListedPartition),
    /// These partitions must be listed on their own, or more pages must come.
    Ask(Vec<String>),
    /// More pages must come. At the end of the listing, nothing is left.
    Wait,
}

impl ListedPartitions {
    /// Begins a listing whose partitions after `after` count.
    pub(super) fn new(prefix: &Prefix, listing: Listing, names: Names, after: Option<Arc<str>>) -> Self {
        let mut order = KeyOrder::new(listing.prefix(), names.len());
        if let Some(after) = &after {
            order.use_key(after);
        }
        Self {
            prefix: prefix.clone(),
            names,
            partitions: BTreeMap::new(),
            after,
            other_columns: None,
            order,
            listing,
            pages: 0,
            asked: BTreeSet::new(),
            is_starving: false,
        }
    }

    /// Adds a page of the listing.
    pub(super) fn page(&mut self, objects: Vec<ListedObject>, is_last: bool) {
        let root = self.prefix.data_prefix();
        for object in &objects {
            self.order.advance(object.key.strip_prefix(&root).unwrap_or(&object.key));
        }
        self.add(objects, |order, key| !order.is_answered(key));
        self.pages += 1;
        self.is_starving = true;
        if is_last {
            self.order.end();
        }
    }

    /// Adds a partition that was asked for, with all its objects. It has none if it does not exist.
    pub(super) fn answer(&mut self, key: String, objects: Vec<ListedObject>) {
        // The listing may have reached the partition meanwhile.
        let listed = PartitionKey::found(key.as_str());
        if self.order.answer(key) {
            self.partitions.remove(&listed);
            self.add(objects, |_, _| true);
        }
    }

    /// Adds the objects of partitions that count. Skips keys that are not data keys of a partition that the listing selects.
    fn add(&mut self, objects: Vec<ListedObject>, counts: impl Fn(&KeyOrder, &str) -> bool) {
        // Keys of one partition are adjacent, so the pattern is matched once per partition.
        let mut last: Option<(PartitionKey, bool)> = None;
        for object in objects {
            let Some(parsed) = self.prefix.parse_data_key(&object.key) else { continue };
            let partition = parsed.partition;
            if last.as_ref().is_none_or(|(known, _)| known.as_str() != partition) {
                if self.other_columns.is_none() && PartitionKey::has_other_names(partition, &self.names) {
                    self.other_columns = Some(object.key.clone());
                }
                let is_selected = self.listing.selects_partition(partition, &self.names)
                    && self.after.as_deref().is_none_or(|after| partition > after)
                    && counts(&self.order, partition);
                last = Some((PartitionKey::found(partition), is_selected));
            }
            let Some((known, true)) = &last else { continue };
            match self.partitions.get_mut(known) {
                Some(objects) => objects.push(object),
                None => drop(self.partitions.insert(known.clone(), vec![object])),
            }
        }
    }

    /// Returns the last partition that was handed over.
    fn used(&self) -> Option<&str> {
        self.order.used()
    }

    /// Returns the first key of a partition with other columns, if there is one.
    fn other_columns(&self) -> Option<&str> {
        self.other_columns.as_deref()
    }

    /// Returns what to do next.
    ///
    /// # Errors
    /// `Unavailable` if a partition was listed after a greater one that was handed over. No known server does this.
    pub(super) fn step(&mut self) -> Result<Step> {
        let Some((first, _)) = self.partitions.first_key_value() else { return Ok(Step::Wait) };
        if self.order.is_used(first.as_str()) {
            return Err(Error::new(
                ErrorKind::Unavailable,
                format!(
                    "list {}{}: the server returned the partition {first} after greater ones; it lists keys neither in the \
                     order of their bytes nor folder by folder",
                    self.prefix.data_prefix(),
                    self.listing.prefix()
                ),
            ));
        }
        match self.order.verdict(first.as_str(), |key| self.listing.selects_partition(key, &self.names)) {
            Verdict::Ready => {
                self.order.use_key(first.as_str());
                self.is_starving = false;
                let taken = self.partitions.pop_first().map(|(key, objects)| ListedPartition { key, objects });
                Ok(taken.map_or(Step::Wait, Step::Partition))
            }
            Verdict::Unless(mut open) => {
                open.retain(|key| !self.asked.contains(key));
                let is_allowed = self.is_starving && self.asked.len() + open.len() <= self.pages + SPARE_REQUESTS;
                if open.is_empty() || !is_allowed {
                    return Ok(Step::Wait);
                }
                self.asked.extend(open.iter().cloned());
                self.is_starving = false;
                Ok(Step::Ask(open))
            }
            Verdict::Wait => Ok(Step::Wait),
        }
    }
}

/// A listing under way.
struct Walk {
    scope: Arc<Scope>,
    listed: ListedPartitions,
    /// The next page. `None` after the last one.
    next: Option<PageAhead>,
    asked: FuturesUnordered<BoxFuture<'static, Result<FoundPartition>>>,
    folders: FolderSearch,
    after: Option<Arc<str>>,
    width: usize,
}

/// The key of a partition, and its objects.
type FoundPartition = (String, Vec<ListedObject>);

/// The search for the folders of the first column that varies.
enum FolderSearch {
    Off,
    /// It is not known yet whether the folders are of use.
    Sampling(Sample),
    /// Their next page is being fetched.
    Listing(KnownFolders, PageAhead),
    /// All of them are known.
    Complete(KnownFolders),
}

/// The next turn of a [`Walk`].
enum Turn {
    /// The next partition in the order of keys.
    Partition(ListedPartition),
    /// These listings, in this order, have the rest of the partitions.
    Divide(Vec<Listing>),
    End,
}

enum Arrived {
    Page(Result<(Option<ListPage>, Option<PageAhead>)>),
    Answer(Result<FoundPartition>),
    Folders(Result<(Option<ListPage>, Option<PageAhead>)>),
}

impl Walk {
    /// Begins to fetch the first page: 1 LIST.
    fn new(scope: Arc<Scope>, work: Work) -> Self {
        let Work { listing, after, width, may_divide } = work;
        let dataset = &scope.dataset;
        let prefix = format!("{}{}", dataset.keys().data_prefix(), listing.prefix());
        let next = Some(dataset.client().list(prefix).ahead());
        let sample = may_divide.then(|| Sample::new(&listing, scope.names.clone(), width, &scope.limits)).flatten();
        let folders = sample.map_or(FolderSearch::Off, FolderSearch::Sampling);
        let listed = ListedPartitions::new(dataset.keys(), listing, scope.names.clone(), after.clone());
        Self { scope, listed, next, asked: FuturesUnordered::new(), folders, after, width }
    }

    async fn next(&mut self) -> Result<Turn> {
        loop {
            match self.listed.step()? {
                Step::Partition(partition) => return Ok(Turn::Partition(partition)),
                Step::Ask(keys) if self.scope.haste == Haste::First => self.ask(keys),
                Step::Ask(_) | Step::Wait => {}
            }
            if self.next.is_none() {
                return Ok(Turn::End);
            }
            if let Some(listings) = self.plan() {
                return Ok(Turn::Divide(listings));
            }
            self.advance().await?;
        }
    }

    /// Lists these partitions on their own.
    fn ask(&mut self, keys: Vec<String>) {
        let dataset = &self.scope.dataset;
        dataset.metrics().fanout(keys.len(), dataset.client().permits());
        self.asked.extend(keys.into_iter().map(|key| list_partition(dataset.clone(), key).boxed()));
    }

    /// Returns the listings that take the place of this one, if all folders are known and that is better.
    fn plan(&mut self) -> Option<Vec<Listing>> {
        match std::mem::replace(&mut self.folders, FolderSearch::Off) {
            FolderSearch::Complete(mut folders) => match folders.plan(self.listed.used()) {
                Plan::Divide(listings) => Some(listings),
                Plan::Later => {
                    self.folders = FolderSearch::Complete(folders);
                    None
                }
                Plan::Never => None,
            },
            other => {
                self.folders = other;
                None
            }
        }
    }

    /// Begins the listings that take the place of this one, whose requests stop.
    fn divided(self, listings: Vec<Listing>) -> SideBySide {
        let depth = self.listed.listing.depth();
        let after = self.listed.used().map(Arc::from).or(self.after);
        self.scope.dataset.metrics().fanout(listings.len(), self.width);
        SideBySide::new(self.scope, listings, after, self.width, move |listing| listing.depth() > depth)
    }

    /// Waits for the next page, for a partition that was asked for, or for folders.
    async fn advance(&mut self) -> Result<()> {
        let Self { next, asked, folders, .. } = self;
        let page = async {
            match next {
                Some(page) => page.arrive().await,
                None => pending().await,
            }
        };
        let folder_page = async {
            match folders {
                FolderSearch::Listing(_, page) => page.arrive().await,
                _ => pending().await,
            }
        };
        let arrived = tokio::select! {
            biased;
            page = folder_page => Arrived::Folders(page),
            page = page => Arrived::Page(page),
            Some(answer) = asked.next(), if !asked.is_empty() => Arrived::Answer(answer),
        };
        match arrived {
            Arrived::Page(page) => {
                let (page, following) = page?;
                self.next = following;
                self.add_page(page.map_or_else(Vec::new, |page| page.objects));
            }
            Arrived::Answer(answer) => {
                let (key, objects) = answer?;
                self.listed.answer(key, objects);
            }
            Arrived::Folders(page) => self.add_folders(page),
        }
        Ok(())
    }

    fn add_page(&mut self, objects: Vec<ListedObject>) {
        let root = self.scope.dataset.keys().data_prefix();
        let keys = objects.iter().map(|object| object.key.strip_prefix(&root).unwrap_or(&object.key));
        if self.next.is_none() {
            // The listing itself has the answers.
            self.asked.clear();
            self.folders = FolderSearch::Off;
        }
        self.folders = match std::mem::replace(&mut self.folders, FolderSearch::Off) {
            FolderSearch::Sampling(mut sample) => {
                sample.add_page(keys);
                if sample.is_worth_folders() { self.list_folders(sample) } else { FolderSearch::Sampling(sample) }
            }
            FolderSearch::Listing(mut folders, page) => {
                folders.add_page(keys);
                FolderSearch::Listing(folders, page)
            }
            FolderSearch::Complete(mut folders) => {
                folders.add_page(keys);
                FolderSearch::Complete(folders)
            }
            other => other,
        };
        self.listed.page(objects, self.next.is_none());
        if let Some(key) = self.listed.other_columns()
            && !self.scope.has_warned.swap(true, Ordering::Relaxed)
        {
            tracing::warn!(key, "skipping partitions that have other columns than the record type");
        }
    }

    /// Begins to list the folders of the first column that varies, beside the next page.
    fn list_folders(&self, sample: Sample) -> FolderSearch {
        let dataset = &self.scope.dataset;
        let prefix = format!("{}{}", dataset.keys().data_prefix(), self.listed.listing.prefix());
        FolderSearch::Listing(KnownFolders::new(sample), dataset.client().list(prefix).by_folder().ahead())
    }

    /// Adds a page of folders. If the server does not return them, the listing goes on without.
    fn add_folders(&mut self, page: Result<(Option<ListPage>, Option<PageAhead>)>) {
        let FolderSearch::Listing(mut folders, _) = std::mem::replace(&mut self.folders, FolderSearch::Off) else {
            return;
        };
        let (page, following) = match page {
            Ok(page) => page,
            Err(error) => return tracing::debug!(%error, "listing all keys instead of the selected folders"),
        };
        let root = self.scope.dataset.keys().data_prefix();
        let paths = page.iter().flat_map(|page| &page.folders);
        folders.add(paths.map(|path| path.strip_prefix(&root).unwrap_or(path)));
        self.folders = match following {
            None => FolderSearch::Complete(folders),
            Some(following) if folders.is_worth_more() => FolderSearch::Listing(folders, following),
            Some(_) => FolderSearch::Off,
        };
    }
}

/// Lists the objects of one partition.
async fn list_partition(dataset: Dataset, key: String) -> Result<FoundPartition> {
    let mut pages = dataset.client().list(dataset.keys().partition_prefix(&PartitionKey::found(key.as_str())));
    let mut objects = Vec::new();
    while let Some(page) = pages.next().await? {
        objects.extend(page.objects);
    }
    Ok((key, objects))
}

#[cfg(test)]
#[cfg(feature = "testing")]
mod server_tests;
#[cfg(test)]
mod tests;
