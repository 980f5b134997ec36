use s3store::ColumnType;

#[derive(ColumnType)]
enum Channel {
    Web,
    #[column(other)]
    Unknown,
    #[column(other)]
    Other(String),
}

fn main() {}
