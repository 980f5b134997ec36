use s3store::Record;
use s3store::rust_decimal::Decimal;

#[derive(Record)]
#[record(partition_by(day))]
struct Cost {
    day: String,
    #[record(decimal(6, 8))]
    cost: Decimal,
}

fn main() {}
