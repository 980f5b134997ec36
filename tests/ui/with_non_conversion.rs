use s3store::Record;

struct Cents;

#[derive(Record)]
#[record(partition_by(day))]
struct Cost {
    day: String,
    #[record(with = Cents)]
    price: f64,
}

fn main() {}
