use chrono::{DateTime, Utc};
use s3store::Record;

#[derive(Record)]
#[record(partition_by(day, shard, bucket = pad(bucket, 3), weekday = format(at, "%a")))]
struct Cost {
    day: String,
    shard: u16,
    bucket: u16,
    at: DateTime<Utc>,
}

fn main() {
    let _ = Cost::partitions().weekday(DateTime::<Utc>::MIN_UTC..);
}
