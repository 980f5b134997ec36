use s3store::{ColumnType, Record};

#[derive(Record)]
#[record(partition_by(sku))]
struct Cost {
    day: String,
    #[record(entity, bloom)]
    sku: String,
    #[record(version)]
    version: u64,
    #[record(bloom)]
    note: String,
}

#[derive(Record)]
#[record(partition_by(day))]
struct Wrong {
    day: String,
    #[record(bloom = true)]
    sku: String,
    #[record(bloom, skip)]
    skipped: String,
    #[record(bloom, bloom)]
    twice: String,
}

#[derive(Record)]
#[record(projection_of = Cost)]
struct Narrow {
    #[record(bloom)]
    sku: String,
}

#[derive(ColumnType)]
struct Sku(#[column(bloom)] String);

#[derive(ColumnType)]
struct Item {
    #[column(bloom)]
    sku: String,
}

fn main() {}
