use s3store::ColumnType;

#[derive(ColumnType)]
enum Number {
    Web,
    #[column(other)]
    Other(u64),
}

#[derive(ColumnType)]
enum Two {
    Web,
    #[column(other)]
    Other(String, String),
}

#[derive(ColumnType)]
enum Named {
    Web,
    #[column(other)]
    Other { text: String },
}

#[derive(ColumnType)]
#[column(repr = "u8")]
#[repr(u8)]
enum Level {
    Low = 1,
    #[column(other)]
    Other(u16),
}

fn main() {}
