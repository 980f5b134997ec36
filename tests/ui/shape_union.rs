use s3store::Record;

#[derive(Record)]
#[record(partition_by(net))]
union Cost {
    net: u64,
    gross: u64,
}

fn main() {}
