use s3store::Record;

#[derive(Record)]
#[record(partition_by(day))]
struct Cost {
    day: String,
    pair: (u8, u8),
}

fn main() {}
