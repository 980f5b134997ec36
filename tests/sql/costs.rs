//! Records with a column of each kind, and conditions on them.

use std::collections::BTreeMap;

use s3store::chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use s3store::rust_decimal::Decimal;
use s3store::uuid::Uuid;
use s3store::{ColumnType, Record, View};

use crate::harness::{at, draws};

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ColumnType)]
pub enum Status {
    #[default]
    Open,
    Closed,
}

#[derive(Debug, Clone, Default, PartialEq, ColumnType)]
pub struct Address {
    city: String,
    zip: Option<i32>,
}

/// A record with a column of each kind.
#[derive(Debug, Clone, PartialEq, Record)]
#[record(partition_by(day, client = customer), views(SkuDays))]
pub struct Cost {
    #[record(entity)]
    pub day: NaiveDate,
    #[record(entity)]
    pub customer: String,
    #[record(entity)]
    pub sku: i32,
    #[record(version, timestamp = "ms")]
    pub revised_at: DateTime<Utc>,
    pub net: Option<f64>,
    #[record(decimal(12, 3))]
    pub gross: Decimal,
    pub status: Status,
    pub id: Uuid,
    pub note: Option<String>,
    pub blob: Vec<u8>,
    pub count: u64,
    pub address: Address,
    pub tags: Vec<String>,
    pub attributes: BTreeMap<String, i64>,
    #[record(deleted)]
    pub gone: bool,
    pub small: Option<i8>,
}

#[derive(Debug, Clone, PartialEq, Eq, View)]
#[view(of = Cost, name = "sku_days")]
pub struct SkuDays {
    sku: i32,
    day: NaiveDate,
}

/// Returns `count` random records of `days` days.
pub fn costs(seed: u64, count: usize, days: u64) -> Vec<Cost> {
    let mut draw = draws(seed);
    let mut next = |below: u64| usize::try_from(draw(below)).unwrap();
    (0..count)
        .map(|_| {
            let net = match next(12) {
                0 => None,
                1 => Some(f64::NAN),
                2 => Some(-0.0),
                3 => Some(f64::NEG_INFINITY),
                other => Some(other as f64 / 2.0 - 3.0),
            };
            Cost {
                day: NaiveDate::from_ymd_opt(2026, 3, 1).unwrap() + TimeDelta::days(next(days) as i64),
                customer: ["abc", "x y", "ü", "a-b"][next(4)].to_owned(),
                sku: next(6) as i32 - 2,
                revised_at: at(next(4) as i64 * 1_000),
                net,
                gross: Decimal::new(next(4_000) as i64 - 2_000, 3),
                status: [Status::Open, Status::Closed][next(2)],
                id: Uuid::from_u128(next(3) as u128),
                note: [None, Some("a%b"), Some("abc"), Some("")][next(4)].map(str::to_owned),
                blob: vec![next(3) as u8; next(3)],
                count: [0, 1, u64::MAX][next(3)],
                address: Address { city: format!("city {}", next(3)), zip: (next(2) > 0).then_some(next(9) as i32) },
                tags: vec![format!("t{}", next(3)); next(3)],
                attributes: (0..next(3)).map(|index| (format!("k{index}"), next(4) as i64)).collect(),
                gone: next(8) == 0,
                small: (next(3) > 0).then_some(next(200) as i8),
            }
        })
        .collect()
}

/// Conditions that are pushed into the read, in part or not at all.
pub const CONDITIONS: &[&str] = &[
    "true",
    "day = '2026-03-02'",
    "day >= '2026-03-02' AND day < DATE '2026-03-04'",
    "day IN ('2026-03-01', '2026-03-03', '2026-03-09')",
    "day = '2026-03-01' OR day = '2026-03-03' AND customer = 'abc'",
    "customer = 'x y'",
    "customer <> 'ü'",
    "customer LIKE 'a%'",
    "customer NOT LIKE 'a%'",
    "customer LIKE '%b%'",
    "client = 'abc'",
    "client IN ('ü', 'a-b') AND sku > 1",
    "client = 'abc' OR sku = 2",
    "client LIKE 'a%' AND NOT (sku = 0)",
    "client || 'x' = 'abcx'",
    "sku BETWEEN -1 AND 2",
    "sku = 2 OR sku = -2",
    "sku NOT IN (1, 2, 3, 4, 5, 6)",
    "sku + 1 = 2",
    "revised_at = to_timestamp_millis(2)",
    "revised_at > TIMESTAMP '1970-01-01T00:00:00.001Z'",
    "net > 0.5",
    "net >= 'NaN'::double",
    "net < 0",
    "net = 0",
    "net <> 0",
    "net IN (0.5, 1.0, -0.5)",
    "net NOT IN (0.5, 1.0, -0.5)",
    "net IS NULL OR net <= -3",
    "net IS NOT NULL",
    "gross > 0.125",
    "gross = 1.0",
    "gross BETWEEN -0.5 AND 0.25",
    "status = 'Open'",
    "status > 'Closed'",
    "id = arrow_cast(X'00000000000000000000000000000001', 'FixedSizeBinary(16)')",
    "note = 'abc'",
    "note IS NULL",
    "note LIKE 'a\\%%'",
    "note LIKE 'a%'",
    "note NOT IN ('abc', '')",
    "note NOT IN ('abc', NULL)",
    "blob = X'0101'",
    "count = 18446744073709551615",
    "count > 0 AND sku > 0",
    "address['city'] = 'city 1'",
    "array_length(tags) = 2",
    "gone",
    "NOT gone AND small IS NOT NULL",
    "small < 50",
    "small = 1000",
    "sku > 1 AND (client = 'abc' OR note IS NULL) AND small > -100",
    "sku = 1 AND NOT (net > 0 AND client = 'abc')",
    "false",
    "customer > 'abc' AND customer <= 'x y'",
    "day > '2026-03-02' AND customer = client AND sku >= 0",
];
