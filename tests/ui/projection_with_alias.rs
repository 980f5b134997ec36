use s3store::Record;

#[derive(Record)]
#[record(partition_by(day))]
struct Cost {
    #[record(entity)]
    day: String,
    #[record(version)]
    updated: u64,
    #[record(rename = "item")]
    sku: Option<String>,
}

#[derive(Record)]
#[record(projection_of = Cost)]
struct Narrow {
    #[record(alias = "date")]
    day: String,
}

fn main() {}
