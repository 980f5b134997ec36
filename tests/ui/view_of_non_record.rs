use s3store::View;

struct Cost {
    day: String,
}

#[derive(View)]
#[view(of = Cost, name = "by_day")]
struct ByDay {
    day: String,
}

fn main() {}
