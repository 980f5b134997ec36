use s3store::Record;

#[derive(Record)]
#[record(partition_by(day))]
struct Cost {
    day: String,
    #[record(decimal(18, 6))]
    cost: f64,
}

fn main() {}
