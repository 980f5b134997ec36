use s3store::ColumnType;

struct City;

#[derive(ColumnType)]
struct Place(City);

fn main() {}
