use s3store::ColumnType;

#[derive(ColumnType)]
struct Nothing;

fn main() {}
