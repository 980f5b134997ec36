//! A projection that is read only by `rows()` has no unused fields.
#![deny(dead_code)]

use s3store::Record;
use s3store::read::Rows;

#[derive(Record)]
#[record(partition_by(day))]
pub struct Sale {
    pub day: String,
    pub sku: String,
    pub amount: i64,
}

#[derive(Record)]
#[record(projection_of = Sale)]
struct Amount {
    sku: String,
    amount: i64,
}

#[test]
fn rows_are_a_use_of_the_fields() {
    let _ = |rows: Rows<Amount>| rows.iter().map(|row| row.amount + row.sku.len() as i64).sum::<i64>();
}
