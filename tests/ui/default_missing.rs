use s3store::{ColumnType, Record};

#[derive(Clone, ColumnType)]
enum Currency {
    Eur,
    Usd,
}

#[derive(Record)]
#[record(partition_by(day))]
struct Cost {
    day: String,
    #[record(default)]
    currency: Currency,
    unmarked: Currency,
}

fn main() {}
