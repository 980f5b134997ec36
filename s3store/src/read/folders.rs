//! Decides whether a long listing goes on folder by folder: side by side, and only where partitions can be selected.
//! Performs no I/O.
//!
//! A folder is a value of the first column that varies in the listing. Any folder can be listed by its prefix, and so can all
//! folders whose names have the same start. On every server such listings have the keys that the whole listing has below
//! their prefixes, whatever its order. So the listing is replaced by listings of prefixes, none of which is the start of
//! another: they are ordered as the partitions that they contain.
//!
//! Requests are estimated, in objects: a page counts as many as the pages so far had on average.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet};
use std::ops::Range;

use crate::pattern::{Listing, shared_start};
use crate::record::Names;

/// The largest number of prefixes that are listed in one folder. If the patterns need more, the folder is listed as a whole.
const MOST_PREFIXES: usize = 16;

/// The number of listed folders that are kept to check a listing by folder.
const KEPT_FOLDERS: usize = 1_000;

/// The limits of the decision. Percentages are of the requests that the listing would take as it is.
#[derive(Debug, Clone)]
pub(super) struct Limits {
    /// The number of pages before folders are listed to prune.
    pub(super) pages_to_prune: u64,
    /// The number of pages before folders are listed only to go on side by side.
    pub(super) pages_to_divide: u64,
    /// The smallest rest of a listing that is divided only to go on side by side, in pages.
    pub(super) rest_to_divide: u64,
    /// The largest cost, if listings that select nothing are left out.
    pub(super) pruned_percent: u64,
    /// The largest cost, if the listing is only divided.
    pub(super) divided_percent: u64,
    /// The requests that may be added to go on side by side.
    pub(super) division_percent: u64,
    /// The largest number of folders, among the objects. To list all folders takes this part of the requests.
    pub(super) folder_percent: u64,
    /// The same, to go on side by side only.
    pub(super) folder_percent_to_divide: u64,
    /// The largest number of folders.
    pub(super) folders: usize,
    /// The average number of pages of the listings into which one is divided.
    pub(super) least_pages: u64,
    /// The number of objects that listings side by side keep for the consumer together.
    pub(super) objects_ahead: usize,
    /// The number of objects that each of them keeps beyond that.
    pub(super) page: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            pages_to_prune: 3,
            pages_to_divide: 8,
            rest_to_divide: 16,
            pruned_percent: 80,
            divided_percent: 110,
            division_percent: 5,
            folder_percent: 10,
            folder_percent_to_divide: 4,
            folders: 100_000,
            least_pages: 4,
            objects_ahead: 128_000,
            page: 1_000,
        }
    }
}

/// The folders of a listing, as far as its pages show them.
#[derive(Debug)]
pub(super) struct Sample {
    listing: Listing,
    names: Names,
    /// The number of listings that may run side by side.
    width: usize,
    limits: Limits,
    pages: u64,
    objects: u64,
    /// The folders that have passed.
    passed: Counts,
    /// The folder that is being listed.
    reached: Counts,
    /// The first folders, up to the time when folders were asked for.
    kept: Vec<String>,
    is_asked: bool,
    current: Option<Folder>,
}

/// The sizes of folders.
#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    folders: u64,
    objects: u64,
    /// The number of folders in which partitions can be selected, and of the prefixes of those partitions.
    matching: u64,
    prefixes: u64,
    /// The number of objects in these folders, and of those below the prefixes.
    in_matching: u64,
    covered: u64,
}

impl Counts {
    fn add(&mut self, other: Self) {
        self.folders += other.folders;
        self.objects += other.objects;
        self.matching += other.matching;
        self.prefixes += other.prefixes;
        self.in_matching += other.in_matching;
        self.covered += other.covered;
    }

    fn per_folder(&self) -> u64 {
        (self.objects / self.folders.max(1)).max(1)
    }

    /// Returns whether folders are at most so many percent of objects.
    fn has_few_folders(&self, percent: u64) -> bool {
        is_within(self.folders, percent, self.objects)
    }
}

/// A folder, and the prefixes of the partitions in it that are selected.
#[derive(Debug, Clone)]
struct Folder {
    /// The start of partitions' keys, up to a `/`.
    path: String,
    prefixes: Vec<String>,
}

impl Folder {
    fn new(path: &str, listing: &Listing, names: &Names) -> Self {
        Self { path: path.to_owned(), prefixes: listing.prefixes_within(path, names, MOST_PREFIXES) }
    }

    fn is_selected(&self) -> bool {
        !self.prefixes.is_empty()
    }
}

/// A listing that takes the place of a part of another one.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Part {
    prefix: String,
    /// The folders that it covers, in the order of their names.
    folders: Range<usize>,
    /// The estimated number of objects.
    objects: u64,
    cost: u64,
}

impl Sample {
    /// Begins the sample of a listing. Returns `None` if it has no columns that vary.
    pub(super) fn new(listing: &Listing, names: Names, width: usize, limits: &Limits) -> Option<Self> {
        (listing.depth() < names.len()).then(|| Self {
            listing: listing.clone(),
            names,
            width,
            limits: limits.clone(),
            pages: 0,
            objects: 0,
            passed: Counts::default(),
            reached: Counts::default(),
            kept: Vec::new(),
            is_asked: false,
            current: None,
        })
    }

    /// Adds the keys of a page, without the part that all keys of the dataset share.
    pub(super) fn add_page<'k>(&mut self, keys: impl Iterator<Item = &'k str>) {
        self.pages += 1;
        for key in keys {
            self.objects += 1;
            let Some((end, _)) = key.match_indices('/').nth(self.listing.depth()) else { continue };
            let Some(path) = key.get(..=end) else { continue };
            let folder = match self.current.take() {
                Some(folder) if folder.path == path => folder,
                _ => self.begin_folder(path),
            };
            self.reached.objects += 1;
            if folder.is_selected() {
                self.reached.in_matching += 1;
                let is_covered = folder.prefixes.iter().any(|prefix| key.starts_with(prefix.as_str()));
                self.reached.covered += u64::from(is_covered);
            }
            self.current = Some(folder);
        }
    }

    fn begin_folder(&mut self, path: &str) -> Folder {
        let folder = Folder::new(path, &self.listing, &self.names);
        self.passed.add(self.reached);
        let (matching, prefixes) = (u64::from(folder.is_selected()), folder.prefixes.len() as u64);
        self.reached = Counts { folders: 1, matching, prefixes, ..Counts::default() };
        if !self.is_asked && self.kept.len() < KEPT_FOLDERS {
            self.kept.push(folder.path.clone());
        }
        folder
    }

    /// Returns whether the listing is expected to take fewer requests, or less time, if its folders are known.
    pub(super) fn is_worth_folders(&self) -> bool {
        let counts = self.counts();
        let prunes = self.pages >= self.limits.pages_to_prune && self.can_prune(counts.folders, counts.matching);
        let divides = self.pages >= self.limits.pages_to_divide
            && self.width > 1
            && counts.has_few_folders(self.limits.folder_percent_to_divide);
        prunes || divides
    }

    /// Returns whether to list so many folders, and only the selected ones, takes few enough requests.
    fn can_prune(&self, folders: u64, matching: u64) -> bool {
        // A page of folders counts as a page of objects.
        let cost = folders.saturating_add(matching.saturating_mul(self.selected_folder()));
        is_within(cost, self.limits.pruned_percent, folders.saturating_mul(self.counts().per_folder()))
    }

    /// Returns the sizes of the folders that have passed, or of the first one as far as it is listed.
    fn counts(&self) -> Counts {
        if self.passed.folders > 0 { self.passed } else { self.reached }
    }

    /// Returns the number of objects in a page.
    fn page(&self) -> u64 {
        (self.objects / self.pages.max(1)).max(1)
    }

    /// Returns the cost of listings of so many objects in all. The last page of each is not full.
    fn listings(&self, listings: u64, objects: u64) -> u64 {
        let whole_pages = listings.saturating_mul(self.page());
        whole_pages.max(objects.saturating_add(whole_pages / 2))
    }

    /// Returns the cost of the listings of so many prefixes in a folder.
    fn within_folder(&self, prefixes: u64) -> u64 {
        let counts = self.counts();
        let objects = counts.per_folder().saturating_mul(counts.covered) / counts.in_matching.max(1);
        self.listings(prefixes, objects)
    }

    /// Returns the average cost of a selected folder.
    fn selected_folder(&self) -> u64 {
        let counts = self.counts();
        let prefixes = counts.prefixes.div_ceil(counts.matching.max(1)).max(1);
        self.within_folder(prefixes).min(self.listings(1, counts.per_folder()))
    }
}

/// Returns whether `part` is at most so many percent of `whole`.
fn is_within(part: u64, percent: u64, whole: u64) -> bool {
    u128::from(part) * 100 <= u128::from(whole) * u128::from(percent)
}

/// The folders of a listing that a listing by folder has returned.
#[derive(Debug)]
pub(super) struct KnownFolders {
    sample: Sample,
    folders: Vec<Folder>,
    matching: u64,
    /// The number of pages from which on to plan again.
    next_plan: u64,
    /// If `true`, the last plan was made when a folder had passed.
    has_size: bool,
}

/// The decision when all folders are known.
#[derive(Debug)]
pub(super) enum Plan {
    /// These listings, in this order, take the place of the listing.
    Divide(Vec<Listing>),
    /// The listing goes on. It may be worth to plan again.
    Later,
    /// The folders are not those of the listing.
    Never,
}

impl KnownFolders {
    /// Begins with the pages so far, of the listing that has the folders.
    pub(super) fn new(sample: Sample) -> Self {
        Self {
            sample: Sample { is_asked: true, ..sample },
            folders: Vec::new(),
            matching: 0,
            next_plan: 0,
            has_size: false,
        }
    }

    /// Adds a page of folders, without the part that all keys of the dataset share.
    pub(super) fn add<'k>(&mut self, paths: impl Iterator<Item = &'k str>) {
        for path in paths {
            let folder = Folder::new(path, &self.sample.listing, &self.sample.names);
            self.matching += u64::from(folder.is_selected());
            self.folders.push(folder);
        }
    }

    /// Adds a page of objects that arrived meanwhile.
    pub(super) fn add_page<'k>(&mut self, keys: impl Iterator<Item = &'k str>) {
        self.sample.add_page(keys);
    }

    /// Returns whether it is still worth to list more folders.
    pub(super) fn is_worth_more(&self) -> bool {
        let (sample, known) = (&self.sample, self.folders.len() as u64);
        let (counts, limits) = (sample.counts(), &sample.limits);
        self.folders.len() <= limits.folders
            && counts.has_few_folders(limits.folder_percent)
            && (sample.can_prune(known, self.matching)
                || (sample.width > 1 && counts.has_few_folders(limits.folder_percent_to_divide)))
    }

    /// Decides which listings take the place of the listing, when all folders are known. They leave out partitions up to `used`,
    /// and may leave out others that are not selected.
    ///
    /// Plans anew when the number of pages has doubled, and when the first folder has passed, whose size is known then.
    pub(super) fn plan(&mut self, used: Option<&str>) -> Plan {
        let has_size = self.sample.passed.folders > 0;
        if self.sample.pages < self.next_plan && has_size == self.has_size {
            return Plan::Later;
        }
        (self.next_plan, self.has_size) = (self.sample.pages.saturating_mul(2), has_size);
        self.folders.sort_by(|one, other| one.path.cmp(&other.path));
        self.folders.dedup_by(|one, other| one.path == other.path);
        let known: HashSet<&str> = self.folders.iter().map(|folder| folder.path.as_str()).collect();
        if let Some(folder) = self.sample.kept.iter().find(|folder| !known.contains(folder.as_str())) {
            tracing::warn!(folder, "the listing by folder lacks a folder that has keys; listing all keys instead");
            return Plan::Never;
        }
        let Self { sample, folders, .. } = &mut *self;
        let is_last = sample.listing.depth() + 1 == sample.names.len();
        for folder in folders.iter_mut().filter(|folder| used.is_some_and(|used| folder.is_before(used, is_last))) {
            folder.prefixes.clear();
        }
        self.best().map_or(Plan::Later, Plan::Divide)
    }

    /// Returns the listings that take the place of the listing, if that is better.
    fn best(&self) -> Option<Vec<Listing>> {
        let all = self.sample.counts().per_folder().saturating_mul(self.folders.len() as u64);
        let rest = all.saturating_sub(self.sample.objects);
        let mut parts = Vec::new();
        let cost = self.cover(0..self.folders.len(), &mut parts);
        let limits = &self.sample.limits;
        let is_pruned = is_within(cost, limits.pruned_percent, rest);
        if self.sample.width > 1 {
            parts = self.divide(parts);
        }
        let cost = parts.iter().fold(0, |sum: u64, part| sum.saturating_add(part.cost));
        let is_divided = self.sample.width > 1
            && parts.len() > 1
            && rest >= limits.rest_to_divide.saturating_mul(self.sample.page())
            && is_within(cost, limits.divided_percent, rest);
        if !is_pruned && !is_divided {
            return None;
        }
        let names = &self.sample.names;
        let mut listings: Vec<Listing> = parts.into_iter().flat_map(|part| self.listings(part)).collect();
        listings.sort_by(|one, other| one.keys_start(names).cmp(other.keys_start(names)));
        Some(listings)
    }

    /// Adds the cheapest listings of the selected prefixes in these folders, which follow each other by name. Returns their
    /// cost.
    fn cover(&self, range: Range<usize>, parts: &mut Vec<Part>) -> u64 {
        let folders = self.folders.get(range.clone()).unwrap_or_default();
        let [first, .., last] = folders else {
            return folders.first().map_or(0, |folder| self.cover_folder(folder, range, parts));
        };
        let prefix = shared_start(&first.path, &last.path);
        let begin = parts.len();
        let mut cost = 0_u64;
        for children in children(folders, prefix.len()) {
            cost = cost.saturating_add(self.cover(range.start + children.start..range.start + children.end, parts));
        }
        let whole = self.part(prefix, range);
        if parts.len() > begin && whole.cost <= cost {
            parts.truncate(begin);
            cost = whole.cost;
            parts.push(whole);
        }
        cost
    }

    fn cover_folder(&self, folder: &Folder, range: Range<usize>, parts: &mut Vec<Part>) -> u64 {
        if !folder.is_selected() {
            return 0;
        }
        let whole = self.part(&folder.path, range.clone());
        let is_whole = folder.prefixes.first() == Some(&folder.path);
        let narrow = self.sample.within_folder(folder.prefixes.len() as u64);
        if is_whole || whole.cost < narrow {
            let cost = whole.cost;
            parts.push(whole);
            return cost;
        }
        // `listings` makes the prefixes of the folder out of this.
        parts.push(Part { prefix: String::new(), folders: range, objects: 0, cost: narrow });
        narrow
    }

    fn part(&self, prefix: &str, folders: Range<usize>) -> Part {
        let objects = self.sample.counts().per_folder().saturating_mul(folders.len() as u64);
        Part { prefix: prefix.to_owned(), folders, objects, cost: self.sample.listings(1, objects) }
    }

    /// Divides large parts, as long as that adds few requests, so that they can be listed side by side.
    fn divide(&self, parts: Vec<Part>) -> Vec<Part> {
        let Sample { limits, width, .. } = &self.sample;
        let total = parts.iter().fold(0, |sum: u64, part| sum.saturating_add(part.objects));
        let mut budget = total.saturating_mul(limits.division_percent) / 100;
        let shares = (*width as u64).saturating_mul(4).max(1);
        let least = limits.least_pages.saturating_mul(self.sample.page()).max(total / shares);
        let mut heap: BinaryHeap<_> = parts.into_iter().map(BySize).collect();
        let mut done = Vec::new();
        while let Some(BySize(part)) = heap.pop() {
            let folders = self.folders.get(part.folders.clone()).unwrap_or_default();
            let mut divided = Vec::new();
            let mut cost = 0_u64;
            if part.objects > least && folders.len() > 1 {
                for children in children(folders, part.prefix.len()) {
                    let start = part.folders.start;
                    let children = start + children.start..start + children.end;
                    cost = cost.saturating_add(self.cover(children, &mut divided));
                }
            }
            let added = cost.saturating_sub(part.cost);
            let average = part.objects / (divided.len() as u64).max(1);
            if divided.is_empty() || added > budget || average < limits.least_pages.saturating_mul(self.sample.page()) {
                done.push(part);
            } else {
                budget -= added;
                heap.extend(divided.into_iter().map(BySize));
            }
        }
        done
    }

    fn listings(&self, part: Part) -> Vec<Listing> {
        let prefixes = match self.folders.get(part.folders.start) {
            Some(folder) if part.prefix.is_empty() && part.folders.len() == 1 => folder.prefixes.clone(),
            _ => vec![part.prefix],
        };
        prefixes.into_iter().map(|prefix| self.sample.listing.below(prefix)).collect()
    }
}

impl Folder {
    /// Returns whether all partitions in the folder come before `used`, or are it. If `is_last`, the folder is one partition.
    fn is_before(&self, used: &str, is_last: bool) -> bool {
        let path = if is_last { self.path.strip_suffix('/').unwrap_or(&self.path) } else { &self.path };
        if is_last { path <= used } else { path <= used && !used.starts_with(path) }
    }
}

/// Groups sorted folders by their next character after `start` bytes.
fn children(folders: &[Folder], start: usize) -> Vec<Range<usize>> {
    let next = |folder: &Folder| folder.path.get(start..).and_then(|rest| rest.chars().next());
    let mut begin = 0;
    let groups = folders.chunk_by(|one, other| next(one) == next(other));
    groups
        .map(|group| {
            let end = begin + group.len();
            std::mem::replace(&mut begin, end)..end
        })
        .collect()
}

/// A part, ordered by its size. Of equal ones, the first in the order of names is the greatest.
#[derive(Debug, PartialEq, Eq)]
struct BySize(Part);

impl BySize {
    fn rank(&self) -> (u64, Reverse<usize>) {
        (self.0.objects, Reverse(self.0.folders.start))
    }
}

impl Ord for BySize {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.rank().cmp(&other.rank())
    }
}

impl PartialOrd for BySize {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests;
