use s3store::{ColumnType, Record};

#[derive(Clone, Default, ColumnType)]
struct Shape {
    sides: u8,
}

#[derive(Record)]
#[record(partition_by(shape))]
struct Cost {
    day: String,
    shape: Shape,
}

fn main() {}
