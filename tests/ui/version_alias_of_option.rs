use s3store::Record;

type Maybe = Option<u64>;

#[derive(Record)]
#[record(partition_by(day))]
struct Cost {
    #[record(entity)]
    day: String,
    #[record(version)]
    updated: Maybe,
}

fn main() {}
