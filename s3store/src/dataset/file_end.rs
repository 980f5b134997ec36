//! Fetching the footer of a data file.

use super::handle::Dataset;
use crate::codec::{Footer, FooterSearch};
use crate::cpu;
use crate::error::{Error, Result};
use crate::s3::ObjectVersion;

/// How many bytes of a file's end are fetched first to find its footer.
const FOOTER_BYTES: u64 = 32 << 10;

impl Dataset {
    /// Returns the footer of a file of `size` bytes, from the cache or from S3. Returns `None` if the file no longer exists.
    /// `version` is the file's version in a listing. Without it, the cache is not used.
    ///
    /// Sends 1 GET, or 2 if the footer is larger than 32 KiB. Sends none if the cache has the footer.
    pub(crate) async fn cached_footer(
        &self,
        key: &str,
        size: u64,
        version: Option<ObjectVersion>,
        count: impl Fn(u64),
    ) -> Result<Option<Footer>> {
        if let Some(footer) = version.and_then(|version| self.footers().get(key, version)) {
            return Ok(Some(footer));
        }
        let footer = self.footer(key, size, count).await?;
        if let Some(footer) = &footer {
            self.keep_footer(key, version, footer);
        }
        Ok(footer)
    }

    /// Keeps a footer in the cache. Does nothing without a version.
    pub(crate) fn keep_footer(&self, key: &str, version: Option<ObjectVersion>, footer: &Footer) {
        if let Some(version) = version {
            self.footers().keep(key, version, footer);
        }
    }

    /// Fetches the footer of a file of `size` bytes. Returns `None` if the file no longer exists. Passes the number of
    /// fetched bytes to `count`.
    ///
    /// Sends 1 GET, or 2 if the footer is larger than 32 KiB.
    pub(crate) async fn footer(&self, key: &str, size: u64, count: impl Fn(u64)) -> Result<Option<Footer>> {
        if size == 0 {
            return Err(Error::invalid_data(format!("{key}: the file is empty")));
        }
        let mut fetched = FOOTER_BYTES;
        loop {
            let range = size.saturating_sub(fetched)..size;
            let Some(file_end) = self.client().get_range(key, range).await? else { return Ok(None) };
            count(file_end.len() as u64);
            let search = cpu::run(self.clock(), move || Footer::parse(file_end, size)).await;
            match search.map_err(|error| error.context(key))? {
                FooterSearch::Found(footer) => return Ok(Some(footer)),
                FooterSearch::Incomplete { bytes } if bytes > fetched && fetched < size => fetched = bytes,
                FooterSearch::Incomplete { .. } => {
                    return Err(Error::invalid_data(format!("{key}: the footer is larger than the file")));
                }
            }
        }
    }
}
