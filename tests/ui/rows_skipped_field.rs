use s3store::Record;
use s3store::read::Row;

#[derive(Record)]
#[record(partition_by(day))]
struct Cost {
    day: String,
    #[record(skip)]
    cache: u32,
}

fn cache(row: Row<'_, Cost>) -> u32 {
    row.cache
}

fn main() {}
