use s3store::Record;

struct Money {
    cents: i64,
}

#[derive(Record)]
#[record(partition_by(day))]
struct Cost {
    day: String,
    price: Money,
}

fn main() {}
