use s3store::Record;

#[derive(Record)]
#[record(partition_by(shard = pad(shard, 21)))]
struct Cost {
    day: String,
    shard: u16,
}

fn main() {}
