use s3store::{ColumnType, Record};

#[derive(Clone, Default, ColumnType)]
struct Shape {
    sides: u8,
}

#[derive(Record)]
#[record(partition_by(day), dedup = "per_partition")]
struct Cost {
    day: String,
    #[record(entity)]
    shape: Shape,
    #[record(version)]
    updated: u64,
}

fn main() {}
