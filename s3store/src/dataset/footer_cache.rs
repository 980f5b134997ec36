//! The footers of data files that were read, for later reads with the same handle.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use lru::LruCache;

use crate::codec::Footer;
use crate::s3::ObjectVersion;

/// The footers that were used last, up to a number of bytes.
pub(super) struct FooterCache {
    limit: usize,
    kept: Mutex<Kept>,
}

struct Kept {
    footers: LruCache<String, KeptFooter>,
    /// The memory of all footers, in bytes.
    bytes: usize,
}

struct KeptFooter {
    version: ObjectVersion,
    footer: Footer,
    bytes: usize,
}

impl FooterCache {
    /// Creates a cache of at most `limit` bytes. With 0, it keeps nothing.
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, kept: Mutex::new(Kept { footers: LruCache::unbounded(), bytes: 0 }) }
    }

    /// Returns the footer of a file, unless another version of the file was listed.
    pub(super) fn get(&self, key: &str, version: ObjectVersion) -> Option<Footer> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let found = kept.footers.get(key).filter(|found| found.version == version)?;
        Some(found.footer.clone())
    }

    /// Keeps a footer, and drops those that were not used for the longest time if there are too many.
    pub(super) fn keep(&self, key: &str, version: ObjectVersion, footer: &Footer) {
        let bytes = key.len().saturating_add(footer.memory());
        if bytes > self.limit {
            return;
        }
        let kept = &mut *self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let replaced = kept.footers.put(key.to_owned(), KeptFooter { version, footer: footer.clone(), bytes });
        kept.bytes = kept.bytes.saturating_add(bytes).saturating_sub(replaced.map_or(0, |replaced| replaced.bytes));
        while kept.bytes > self.limit
            && let Some((_, dropped)) = kept.footers.pop_lru()
        {
            kept.bytes = kept.bytes.saturating_sub(dropped.bytes);
        }
    }
}

impl fmt::Debug for FooterCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FooterCache").field("limit", &self.limit).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, Int64Array, RecordBatch};
    use parquet::arrow::ArrowWriter;

    use super::*;

    fn footer_of_a_file() -> Footer {
        let column: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
        let batch = RecordBatch::try_from_iter([("a", column)]).unwrap();
        let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        Footer::of_file(writer.into_inner().unwrap().into()).unwrap()
    }

    #[test]
    fn the_footers_that_were_used_last_are_kept() {
        let footer = footer_of_a_file();
        let (one, two) = (ObjectVersion::new("1", 9, 0), ObjectVersion::new("2", 9, 0));
        let size = footer.memory() + 1;
        let cache = FooterCache::new(3 * size);
        let keys = |cache: &FooterCache| -> String {
            ["a", "b", "c", "d"].into_iter().filter(|key| cache.get(key, one).is_some()).collect()
        };
        for key in ["a", "b", "c"] {
            cache.keep(key, one, &footer);
        }
        assert_eq!(keys(&cache), "abc");
        assert!(cache.get("a", two).is_none());
        cache.get("b", one);
        cache.get("a", one);
        cache.keep("d", one, &footer);
        assert_eq!(keys(&cache), "abd");
        // Another version replaces the footer, and takes no further memory.
        cache.keep("d", two, &footer);
        cache.keep("d", one, &footer);
        assert_eq!(keys(&cache), "abd");
        assert_eq!(cache.kept.lock().unwrap().bytes, 3 * size);
    }

    #[test]
    fn a_footer_that_is_larger_than_the_cache_is_not_kept() {
        let (footer, version) = (footer_of_a_file(), ObjectVersion::new("1", 9, 0));
        for (limit, is_kept) in [(0, false), (footer.memory(), false), (footer.memory() + 1, true)] {
            let cache = FooterCache::new(limit);
            cache.keep("a", version, &footer);
            assert_eq!(cache.get("a", version).is_some(), is_kept, "{limit}");
        }
    }
}
