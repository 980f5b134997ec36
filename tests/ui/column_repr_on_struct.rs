use s3store::ColumnType;

#[derive(ColumnType)]
#[column(repr = "i32")]
struct Money {
    cents: i64,
}

fn main() {}
