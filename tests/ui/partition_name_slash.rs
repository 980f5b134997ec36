use s3store::Record;

#[derive(Record)]
#[record(partition_by("da/y" = day))]
struct Cost {
    day: String,
}

fn main() {}
