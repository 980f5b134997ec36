use s3store::ColumnType;

#[derive(ColumnType)]
struct Range(u64, u64);

fn main() {}
