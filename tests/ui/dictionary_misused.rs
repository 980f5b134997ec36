use s3store::{ColumnType, Record};

#[derive(Record)]
#[record(partition_by(day))]
struct Cost {
    #[record(dictionary)]
    day: String,
    #[record(dictionary = true)]
    sku: String,
    #[record(dictionary = "no")]
    note: String,
    #[record(dictionary = false, dictionary = false)]
    twice: String,
}

#[derive(Record)]
#[record(partition_by(day))]
struct Skipped {
    day: String,
    #[record(dictionary = false, skip)]
    skipped: String,
}

#[derive(Record)]
#[record(partition_by(day))]
struct Sale {
    day: String,
    tags: Vec<String>,
}

#[derive(Record)]
#[record(projection_of = Sale)]
struct Narrow {
    #[record(dictionary = false)]
    day: String,
    #[record(bare_list)]
    tags: Vec<String>,
}

#[derive(ColumnType)]
struct Sku(#[column(dictionary = false)] String);

fn main() {}
