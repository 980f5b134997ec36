use s3store::Record;

#[derive(Record)]
#[record(partition_by(day))]
struct Cost {
    day: String,
    #[record(inserted_at)]
    written: i64,
}

fn main() {}
