use s3store::read::Rows;
use s3store::Record;

#[derive(Record)]
#[record(partition_by(day))]
struct Cost {
    day: String,
}

fn days(batches: Vec<Rows<Cost>>) -> Vec<&'static str> {
    let mut days = Vec::new();
    for batch in batches {
        days.extend(batch.iter().map(|row| row.day));
    }
    days
}

fn main() {}
