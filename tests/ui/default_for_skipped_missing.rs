use s3store::Record;

struct Cache;

#[derive(Record)]
#[record(partition_by(day))]
struct Cost {
    day: String,
    #[record(skip)]
    cache: Cache,
}

fn main() {}
