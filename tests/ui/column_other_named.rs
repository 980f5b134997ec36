use s3store::ColumnType;

#[derive(ColumnType)]
enum Channel {
    Web,
    #[column(other, rename = "unknown", alias = "other")]
    Unknown,
}

#[derive(ColumnType)]
#[column(repr = "u8")]
enum Level {
    Low = 1,
    #[column(other)]
    Unknown = 0,
}

fn main() {}
