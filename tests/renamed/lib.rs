//! Derives in a package that renames s3store, has no other dependency and enables strict lints.

#![forbid(unsafe_code)]
#![deny(missing_docs, unreachable_pub, clippy::pedantic)]

use db::chrono::{DateTime, Utc};
use db::{ColumnType, Record, View};

/// A record with a nested struct, a newtype and an enum.
#[derive(Debug, Clone, PartialEq, Record)]
#[record(partition_by(day, month = format(at, "%Y-%m")), dedup = "per_partition", views(SkuDay))]
pub struct Cost {
    /// The day.
    #[record(entity)]
    pub day: String,
    /// A newtype.
    pub sku: Sku,
    /// An enum.
    pub currency: Currency,
    /// A nested struct.
    pub address: Option<Address>,
    /// The version.
    #[record(version, timestamp = "ms")]
    pub at: DateTime<Utc>,
}

/// A newtype.
#[derive(Debug, Clone, PartialEq, Default, ColumnType)]
pub struct Sku(pub String);

/// An enum.
#[derive(Debug, Clone, PartialEq, Default, ColumnType)]
pub enum Currency {
    /// The euro.
    #[default]
    Eur,
    /// The dollar.
    Usd,
}

/// A nested struct.
#[derive(Debug, Clone, PartialEq, Default, ColumnType)]
pub struct Address {
    /// The street.
    pub street: String,
}

/// A projection.
#[derive(Debug, Clone, PartialEq, Record)]
#[record(projection_of = Cost)]
pub struct Narrow {
    /// The newtype.
    pub sku: Sku,
}

/// A view.
#[derive(Debug, Clone, PartialEq, View)]
#[view(of = Cost, name = "sku_day")]
pub struct SkuDay {
    /// The newtype.
    pub sku: Sku,
    /// The enum.
    pub currency: Currency,
    /// The day of the version.
    #[view(from = at, format = "%F")]
    pub day: String,
    /// A function of fields.
    #[view(with = initial_of(day))]
    pub initial: String,
}

fn initial_of(day: &str) -> Option<String> {
    day.get(..1).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use db::RootRecord;

    #[test]
    fn derives_work_with_a_renamed_crate() {
        let at = DateTime::from_timestamp_millis(1_774_000_000_123).unwrap();
        let address = Some(Address { street: "Main".to_owned() });
        let cost =
            Cost { day: "2026-03-20".to_owned(), sku: Sku("a".to_owned()), currency: Currency::Usd, address, at };
        let columns = Cost::encode([cost.clone()].iter(), 0, None).unwrap();
        assert_eq!(columns.len(), Cost::description().columns.len());

        let mut key = String::new();
        cost.partition_key(&mut key).unwrap();
        assert_eq!(key, "day=2026-03-20/month=2026-03");
        assert_eq!(Narrow::description().columns[0].name, "sku");
        assert_eq!(SkuDay::source_columns(), ["sku", "currency", "at", "day"]);
        let view = SkuDay::from_tuple(&["a", "Usd", "2026-03-20", "2"]).unwrap();
        assert_eq!(view, SkuDay { sku: cost.sku, currency: cost.currency, day: cost.day, initial: "2".to_owned() });
        let _ = SkuDay::patterns().currency(Currency::Eur).initial("2");
        let _ = Narrow::partitions().day("2026-03-20").month(at..);
    }
}
