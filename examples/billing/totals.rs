//! The consumer: exact totals, stored together with the position in the stream.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use s3store::rust_decimal::Decimal;
use s3store::uuid::Uuid;
use s3store::{Dataset, Offset};
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::usage::Usage;

/// The consumer's state. Position and totals are in one file, so that neither can be ahead of the other.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Totals {
    offset: Offset,
    /// The latest revision of each usage, and its cost.
    latest: HashMap<Uuid, (u32, Decimal)>,
    pub by_customer: BTreeMap<String, Decimal>,
}

impl Totals {
    pub fn load(path: &Path) -> Result<Self> {
        match fs::read(path) {
            Ok(bytes) => Ok(serde_json::from_slice(&bytes)?),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error.into()),
        }
    }

    /// Replaces the file atomically: after a crash it has either the old or the new state.
    fn save(&self, path: &Path) -> Result<()> {
        let new = path.with_extension("new");
        let mut file = File::create(&new)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        file.sync_all()?;
        fs::rename(new, path)?;
        Ok(())
    }

    /// Applies a record. The stream may return a record again, and an older revision after a newer one; neither changes
    /// anything.
    fn apply(&mut self, usage: &Usage) {
        let latest = self.latest.get(&usage.id).copied();
        if latest.is_some_and(|(revision, _)| revision >= usage.revision) {
            return;
        }
        let total = self.by_customer.entry(usage.customer.0.clone()).or_default();
        *total += usage.cost - latest.map_or(Decimal::ZERO, |(_, cost)| cost);
        self.latest.insert(usage.id, (usage.revision, usage.cost));
    }
}

/// Returns the totals of records.
pub fn of(records: &[Usage]) -> BTreeMap<String, Decimal> {
    let mut totals = Totals::default();
    records.iter().for_each(|usage| totals.apply(usage));
    totals.by_customer
}

/// Follows the stream until the process is killed.
pub async fn consume(dataset: &Dataset, path: &Path) -> Result<()> {
    let mut totals = Totals::load(path)?;
    let mut pages = dataset.store::<Usage>().follow(&totals.offset).pace(Duration::from_millis(100)).records();
    loop {
        let page = pages.next_page().await?;
        page.records.iter().for_each(|usage| totals.apply(usage));
        totals.offset = page.next;
        totals.save(path)?;
    }
}
