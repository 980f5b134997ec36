use s3store::ColumnType;

#[derive(ColumnType)]
enum Price {
    Free,
    Cents(i64),
}

fn main() {}
