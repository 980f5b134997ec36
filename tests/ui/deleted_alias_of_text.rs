use s3store::Record;

type Text = String;

#[derive(Record)]
#[record(partition_by(day))]
struct Alias {
    #[record(entity)]
    day: String,
    #[record(version)]
    version: i64,
    #[record(deleted)]
    deleted: Text,
}

fn main() {}
