use s3store::ColumnType;

#[derive(ColumnType, serde::Serialize)]
#[column(serde)]
enum Channel {
    Web,
}

fn main() {}
