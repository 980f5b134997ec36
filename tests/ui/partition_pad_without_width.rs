use s3store::Record;

#[derive(Record)]
#[record(partition_by(shard = pad(shard)))]
struct Cost {
    day: String,
    shard: u16,
}

fn main() {}
