use s3store::Record;

#[derive(Record)]
enum Cost {
    Net,
    Gross,
}

fn main() {}
