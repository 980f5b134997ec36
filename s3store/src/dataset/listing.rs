//! Listing the keys below a prefix, page by page.

use super::handle::Dataset;
use crate::error::Result;
use crate::metrics::Operation;
use crate::s3::{ListFrom, Page};

impl Dataset {
    /// Returns one page of the keys below `prefix`: 1 LIST.
    pub(crate) async fn list_page(&self, prefix: &str, from: ListFrom<'_>) -> Result<Page> {
        let permit = self.client().permit(Operation::List).await?;
        let page = self.client().list(&permit, prefix, from).await;
        page.map_err(|failure| failure.into_error(format!("list {prefix}")))
    }

    /// Passes every page of the keys below `prefix` to `take`, beginning after the key `after`: 1 LIST a page.
    pub(crate) async fn each_page(&self, prefix: &str, after: Option<&str>, mut take: impl FnMut(Page)) -> Result<()> {
        let mut next = None::<String>;
        loop {
            let mut page = self.list_page(prefix, ListFrom { after, next: next.as_deref(), limit: None }).await?;
            next = page.next.take();
            take(page);
            if next.is_none() {
                return Ok(());
            }
        }
    }
}
