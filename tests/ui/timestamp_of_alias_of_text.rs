use s3store::Record;

type Text = String;

#[derive(Record)]
#[record(partition_by(day))]
struct Cost {
    day: String,
    #[record(timestamp = "ms")]
    at: Text,
}

fn main() {}
