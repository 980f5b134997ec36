use s3store::column::{ColumnWith, ValueError};
use s3store::Record;

struct Cents;

impl ColumnWith<f32> for Cents {
    type Column = i64;

    fn to_column(value: &f32) -> Result<i64, ValueError> {
        Ok((value * 100.0) as i64)
    }

    fn from_column(cents: i64) -> Result<f32, ValueError> {
        Ok(cents as f32 / 100.0)
    }
}

#[derive(Record)]
#[record(partition_by(day))]
struct Cost {
    day: String,
    #[record(with = Cents)]
    price: f64,
}

fn main() {}
