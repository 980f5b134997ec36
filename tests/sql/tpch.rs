//! The queries of TPC-H that need only its orders and their lines have DuckDB's answers.
//!
//! The queries and answers are in `tests/data/tpch`. `S3STORE_TPCH_SCALE=1` runs the test with 7.5 million rows.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{env, fs};

use s3store::chrono::NaiveDate;
use s3store::datafusion::prelude::SessionContext;
use s3store::rust_decimal::Decimal;
use s3store::testing::S3;
use s3store::{Dataset, Record, RootRecord, Store};
use tpchgen::dates::TPCHDate;
use tpchgen::decimal::TPCHDecimal;
use tpchgen::generators::{LineItemGenerator, OrderGenerator};

use super::support::rows;

/// A row of a correction has the revision 1. The earlier one of the same row has wrong values.
#[derive(Debug, Clone, Record)]
#[record(partition_by(l_returnflag, l_linestatus))]
struct Line {
    #[record(entity)]
    l_returnflag: String,
    #[record(entity)]
    l_linestatus: String,
    #[record(entity)]
    l_orderkey: i64,
    #[record(entity)]
    l_linenumber: i32,
    #[record(version)]
    revision: i32,
    l_partkey: i64,
    l_suppkey: i64,
    #[record(decimal(12, 2))]
    l_quantity: Decimal,
    #[record(decimal(12, 2))]
    l_extendedprice: Decimal,
    #[record(decimal(12, 2))]
    l_discount: Decimal,
    #[record(decimal(12, 2))]
    l_tax: Decimal,
    l_shipdate: NaiveDate,
    l_commitdate: NaiveDate,
    l_receiptdate: NaiveDate,
    l_shipinstruct: String,
    l_shipmode: String,
    l_comment: String,
}

#[derive(Debug, Clone, Record)]
#[record(partition_by(o_orderstatus))]
struct Order {
    #[record(entity)]
    o_orderstatus: String,
    #[record(entity)]
    o_orderkey: i64,
    #[record(version)]
    revision: i32,
    o_custkey: i64,
    #[record(decimal(12, 2))]
    o_totalprice: Decimal,
    o_orderdate: NaiveDate,
    o_orderpriority: String,
    o_clerk: String,
    o_shippriority: i32,
    o_comment: String,
}

#[tokio::test(flavor = "multi_thread")]
async fn tpc_h() {
    let scale = env::var("S3STORE_TPCH_SCALE").unwrap_or_else(|_| "0.01".to_owned());
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/tpch");
    let s3 = S3::with_bucket("warehouse");
    let dataset = async |prefix| Dataset::init(s3.client(), "warehouse", prefix).await.unwrap().into_dataset();
    let (lines, orders) = (dataset("lineitem").await.store::<Line>(), dataset("orders").await.store::<Order>());
    let factor = scale.parse().unwrap();
    write(&lines, LineItemGenerator::new(factor, 1, 1).iter().map(Line::from), Line::earlier).await;
    write(&orders, OrderGenerator::new(factor, 1, 1).iter().map(Order::from), Order::earlier).await;

    let session = SessionContext::new();
    session.register_table("lineitem", Arc::new(lines.table().provider())).unwrap();
    session.register_table("orders", Arc::new(orders.table().provider())).unwrap();
    let queries: Vec<PathBuf> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    let mut compared = 0;
    for query in queries.iter().filter(|path| path.extension().is_some_and(|extension| extension == "sql")) {
        let name = query.file_stem().unwrap().to_str().unwrap();
        let expected = fs::read_to_string(folder.join(format!("scale-{scale}/{name}.txt"))).unwrap();
        let found = rows(&session, &fs::read_to_string(query).unwrap()).await.unwrap();
        let expected: Vec<&str> = expected.lines().collect();
        assert_eq!(found.len(), expected.len(), "{name}: {found:?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(is_same_row(found, expected), "{name}: found {found}, expected {expected}");
        }
        println!("{name}: {} rows equal DuckDB's", found.len());
        compared += 1;
    }
    assert_eq!(compared, 5);
}

/// Writes records with corrections in several commits, the earlier revisions last.
async fn write<T: RootRecord>(store: &Store<T>, records: impl Iterator<Item = T>, earlier: fn(&T) -> Option<T>) {
    let mut writer = store.writer().memory_bytes(256 << 20).start().unwrap();
    let mut outdated = Vec::new();
    for (row, record) in records.enumerate() {
        outdated.extend(earlier(&record));
        writer.write(record).await.unwrap();
        if row == 20_000 {
            writer.flush().await.unwrap();
        }
    }
    writer.flush().await.unwrap();
    assert!(outdated.len() > 1_000);
    writer.write_all(outdated).await.unwrap();
    writer.flush().await.unwrap();
}

impl Line {
    fn earlier(&self) -> Option<Self> {
        let is_corrected = (self.l_orderkey / 8 + i64::from(self.l_linenumber)) % 5 == 0;
        is_corrected.then(|| Self {
            revision: 0,
            l_quantity: Decimal::from(400),
            l_discount: Decimal::new(6, 2),
            l_shipmode: "MAIL".to_owned(),
            ..self.clone()
        })
    }
}

impl Order {
    fn earlier(&self) -> Option<Self> {
        let is_corrected = self.o_orderkey % 7 == 0;
        is_corrected.then(|| Self {
            revision: 0,
            o_orderpriority: "5-LOW".to_owned(),
            o_totalprice: Decimal::from(900_000),
            ..self.clone()
        })
    }
}

impl From<tpchgen::generators::LineItem<'_>> for Line {
    fn from(line: tpchgen::generators::LineItem<'_>) -> Self {
        Self {
            l_returnflag: line.l_returnflag.to_owned(),
            l_linestatus: line.l_linestatus.to_owned(),
            l_orderkey: line.l_orderkey,
            l_linenumber: line.l_linenumber,
            revision: 1,
            l_partkey: line.l_partkey,
            l_suppkey: line.l_suppkey,
            l_quantity: Decimal::from(line.l_quantity),
            l_extendedprice: decimal(line.l_extendedprice),
            l_discount: decimal(line.l_discount),
            l_tax: decimal(line.l_tax),
            l_shipdate: date(line.l_shipdate),
            l_commitdate: date(line.l_commitdate),
            l_receiptdate: date(line.l_receiptdate),
            l_shipinstruct: line.l_shipinstruct.to_owned(),
            l_shipmode: line.l_shipmode.to_owned(),
            l_comment: line.l_comment.to_owned(),
        }
    }
}

impl From<tpchgen::generators::Order<'_>> for Order {
    fn from(order: tpchgen::generators::Order<'_>) -> Self {
        Self {
            o_orderstatus: order.o_orderstatus.to_string(),
            o_orderkey: order.o_orderkey,
            revision: 1,
            o_custkey: order.o_custkey,
            o_totalprice: decimal(order.o_totalprice),
            o_orderdate: date(order.o_orderdate),
            o_orderpriority: order.o_orderpriority.to_owned(),
            o_clerk: order.o_clerk.to_string(),
            o_shippriority: order.o_shippriority,
            o_comment: order.o_comment.to_owned(),
        }
    }
}

fn decimal(value: TPCHDecimal) -> Decimal {
    Decimal::new(value.into_inner(), 2)
}

fn date(date: TPCHDate) -> NaiveDate {
    NaiveDate::from_epoch_days(date.to_unix_epoch()).unwrap()
}

/// Returns whether two rows are equal. Averages of decimals are decimals of six digits in one engine and floats in the other.
fn is_same_row(found: &str, expected: &str) -> bool {
    let is_same = |(found, expected): (&str, &str)| {
        let number = |text: &str| text.parse::<f64>().ok();
        found == expected
            || number(found).zip(number(expected)).is_some_and(|(found, expected)| (found - expected).abs() < 1e-6)
    };
    found.split('|').count() == expected.split('|').count() && found.split('|').zip(expected.split('|')).all(is_same)
}
