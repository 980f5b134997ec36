//! The record, its types and its views.

use std::collections::BTreeMap;

use s3store::chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use s3store::rust_decimal::Decimal;
use s3store::uuid::Uuid;
use s3store::{ColumnType, Record, View};

/// A customer's number, so that no other text is taken for one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, ColumnType)]
pub struct Customer(pub String);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, ColumnType)]
#[column(rename_all = "lowercase")]
pub enum Kind {
    Compute,
    Storage,
    Transfer,
}

/// The use of one SKU by a customer. A correction is a new revision.
#[derive(Debug, Clone, PartialEq, Record)]
#[record(partition_by(period = format(day, "%Y-%m"), customer), views(SkuPeriods, CustomerKinds))]
pub struct Usage {
    #[record(entity)]
    pub day: NaiveDate,
    #[record(entity)]
    pub customer: Customer,
    #[record(entity)]
    pub id: Uuid,
    #[record(version)]
    pub revision: u32,
    pub sku: String,
    pub kind: Kind,
    pub quantity: f64,
    #[record(decimal(18, 6))]
    pub cost: Decimal,
    pub zones: Vec<String>,
    pub labels: BTreeMap<String, String>,
    #[record(timestamp = "ns")]
    pub started: DateTime<Utc>,
    pub note: Option<String>,
    #[record(inserted_at)]
    pub inserted_at: Option<DateTime<Utc>>,
}

/// The SKUs of each period.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, View)]
#[view(of = Usage, name = "sku_periods")]
pub struct SkuPeriods {
    pub sku: String,
    #[view(with = period(day))]
    pub period: String,
}

/// The kinds of usage of each customer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, View)]
#[view(of = Usage, name = "customer_kinds")]
pub struct CustomerKinds {
    pub customer: Customer,
    pub kind: Kind,
}

/// A view leaves out records for which its function returns `None`.
fn period(day: &NaiveDate) -> Option<String> {
    Some(day.format("%Y-%m").to_string())
}

impl SkuPeriods {
    pub fn of(usage: &Usage) -> Self {
        Self { sku: usage.sku.clone(), period: period(&usage.day).unwrap_or_default() }
    }
}

impl CustomerKinds {
    pub fn of(usage: &Usage) -> Self {
        Self { customer: usage.customer.clone(), kind: usage.kind }
    }
}

/// Returns a batch of a meter. Each batch corrects some usages of the batch before.
pub fn batch(meter: u32, batch: u32) -> Vec<Usage> {
    let usage = |number: u32, revision: u32| {
        let id = Uuid::from_u128(u128::from(meter) << 64 | u128::from(number));
        let day = NaiveDate::from_ymd_opt(2026, 3, 1).unwrap_or_default() + Days::new(u64::from(number % 60));
        let started = day.and_time(s3store::chrono::NaiveTime::MIN).and_utc() + TimeDelta::nanoseconds(number.into());
        Usage {
            day,
            customer: Customer(format!("C-{}", number % 3)),
            id,
            revision,
            sku: format!("SKU-{}", number % 7),
            kind: [Kind::Compute, Kind::Storage, Kind::Transfer][number as usize / 3 % 3],
            quantity: f64::from(number) / 4.0,
            cost: Decimal::new(i64::from(number * 1_001 + revision), 6),
            zones: vec![format!("zone-{}", number % 2)],
            labels: BTreeMap::from([("team".to_owned(), format!("t{}", number % 4))]),
            started,
            note: (revision > 1).then(|| "corrected".to_owned()),
            inserted_at: None,
        }
    };
    let first = batch * 10;
    let new = (first..first + 10).map(|number| usage(number, 1));
    let corrected = (first.saturating_sub(10)..first).step_by(3).map(|number| usage(number, 2));
    new.chain(corrected).collect()
}
