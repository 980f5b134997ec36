//! A filter that becomes stricter while a scan runs, such as that of a join whose other side was read meanwhile.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use crate::codec::Opener;
use crate::error::Result;
use crate::merge::Keep;
use crate::record::{Description, Predicate, RowFilter};

/// A condition that may exclude more rows each time that it is asked for. A scan need not exclude a row that it excludes, so
/// each partition is read with the condition of the time when its first files have arrived.
#[derive(Clone)]
pub(crate) struct LiveFilter {
    /// Returns the condition of now, on the columns of `root`, and a number that changes with it.
    pub(crate) current: Arc<dyn Fn() -> (u64, Option<Predicate>) + Send + Sync>,
    pub(crate) root: Arc<Description>,
    /// Divides a condition by where it may drop rows.
    pub(crate) split: fn(Predicate, &crate::record::ReadLayout, Keep) -> RowFilter,
}

impl fmt::Debug for LiveFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveFilter").finish_non_exhaustive()
    }
}

/// Returns openers with the condition of a live filter. Files of partitions that are read with the same condition share one.
#[derive(Debug)]
pub(super) struct LiveOpener {
    filter: LiveFilter,
    /// The opener without the condition.
    base: Arc<Opener>,
    keep: Keep,
    /// The last number of the filter, and its opener.
    last: Mutex<Option<(u64, Arc<Opener>)>>,
}

impl LiveOpener {
    pub(super) fn new(filter: LiveFilter, base: Arc<Opener>, keep: Keep) -> Self {
        Self { filter, base, keep, last: Mutex::new(None) }
    }

    /// Returns an opener with the condition of now.
    pub(super) fn opener(&self) -> Result<Arc<Opener>> {
        let (number, condition) = (self.filter.current)();
        let Some(condition) = condition else { return Ok(Arc::clone(&self.base)) };
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, opener)) = &*last
            && *known == number
        {
            return Ok(Arc::clone(opener));
        }
        let layout = self.base.layout().clone();
        let before = layout.filter.clone();
        let (layout, condition) = layout.with_predicate(&self.filter.root, condition)?;
        let RowFilter { below, .. } = (self.filter.split)(condition, &layout, self.keep);
        // The part above is left to whoever has the filter: it would read columns and exclude nothing from being fetched.
        let opener = match below {
            None => Arc::clone(&self.base),
            Some(below) => {
                let below = match &before.below {
                    Some(fixed) => Arc::new((**fixed).clone().and((*below).clone())),
                    None => below,
                };
                Arc::new(Opener::new(layout.with_filter(RowFilter { below: Some(below), ..before })))
            }
        };
        *last = Some((number, Arc::clone(&opener)));
        Ok(opener)
    }
}
