use s3store::ColumnType;

#[derive(ColumnType)]
struct Wrapper<T>(T);

fn main() {}
