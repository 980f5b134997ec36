use s3store::ColumnType;

#[derive(ColumnType)]
struct Count(usize);

fn main() {}
