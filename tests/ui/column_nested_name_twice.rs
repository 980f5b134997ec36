use s3store::ColumnType;

#[derive(ColumnType)]
struct Address {
    zip: String,
    #[column(rename = "zip")]
    city: String,
}

fn main() {}
