use s3store::ColumnType;

#[derive(ColumnType)]
struct Address {
    #[column(other)]
    street: String,
}

fn main() {}
