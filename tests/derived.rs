//! Derived records: rows to columns and back, keys, descriptions.

use chrono::{DateTime, Utc};
use s3store::Record;

#[derive(Debug, Clone, PartialEq, Record)]
#[record(partition_by(day, customer = customer_id))]
struct Cost {
    #[record(entity)]
    day: String,
    #[record(entity)]
    customer_id: String,
    price: Option<f64>,
    #[record(version, timestamp = "ms")]
    at: DateTime<Utc>,
}

#[test]
fn it_compiles() {
    let key = &mut String::new();
    let cost = Cost { day: "1".into(), customer_id: "c".into(), price: None, at: DateTime::default() };
    s3store::RootRecord::partition_key(&cost, key).unwrap();
    assert_eq!(key, "day=1/customer=c");
}
