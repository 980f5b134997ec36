use s3store::ColumnType;

struct City;

#[derive(ColumnType)]
struct Address {
    zip: String,
    city: City,
}

fn main() {}
