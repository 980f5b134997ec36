use s3store::Record;

#[derive(Record)]
#[record(partition_by(price))]
struct Cost {
    day: String,
    price: f64,
}

fn main() {}
