use s3store::Record;

#[derive(Record)]
#[record(partition_by("a..b" = day))]
struct Cost {
    day: String,
}

fn main() {}
