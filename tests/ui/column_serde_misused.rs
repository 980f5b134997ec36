use s3store::ColumnType;

#[derive(ColumnType)]
#[column(serde)]
struct Money {
    cents: i64,
}

#[derive(ColumnType)]
#[column(serde)]
struct Sku(String);

#[derive(ColumnType)]
#[column(serde = "lowercase")]
enum Channel {
    Web,
}

#[derive(ColumnType)]
#[column(serde, serde)]
enum State {
    Open,
}

fn main() {}
