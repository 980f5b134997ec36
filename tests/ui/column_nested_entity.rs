use s3store::ColumnType;

#[derive(ColumnType)]
struct Address {
    #[column(entity)]
    zip: String,
}

fn main() {}
