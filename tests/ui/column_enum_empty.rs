use s3store::ColumnType;

#[derive(ColumnType)]
enum Price {}

fn main() {}
