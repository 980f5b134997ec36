#![deny(warnings)]
#![allow(dead_code)]

use chrono::{DateTime, Utc};
use s3store::{Record, RootRecord};

#[derive(Record)]
#[record(partition_by("charge-period" = day, "2026" = day, "self" = day, "größe" = size, "a b" = day, "a-b" = day))]
struct Cost {
    day: String,
    size: u32,
    at: DateTime<Utc>,
}

// A partition can use functions of any path.
mod regions {
    pub struct Region(pub u8);

    impl Region {
        pub fn of(customer: &str, shard: &u16) -> String {
            format!("{}{shard}", &customer[..1])
        }
    }
}

#[derive(Record)]
#[record(partition_by(
    region = regions::Region::of(customer, shard),
    month = format(at, "%Y-%m"),
    shard = pad(shard, 5),
    length = length_of(customer),
))]
struct Charge {
    customer: String,
    shard: u16,
    at: DateTime<Utc>,
}

fn length_of(customer: &str) -> u64 {
    customer.len() as u64
}

#[test]
fn odd_names_have_methods_and_appear_in_keys() {
    let _ = Cost::partitions().charge_period("a")._2026("b").self_("c").größe(4).a_b("d").a_b_("e");
    let cost = Cost { day: "d".to_owned(), size: 4, at: DateTime::UNIX_EPOCH };
    let mut key = String::new();
    cost.partition_key(&mut key).unwrap();
    assert_eq!(key, "charge-period=d/2026=d/self=d/größe=4/a b=d/a-b=d");
    let _ = cost.at;

    let charge = Charge { customer: "abc".to_owned(), shard: 7, at: DateTime::UNIX_EPOCH };
    let mut key = String::new();
    charge.partition_key(&mut key).unwrap();
    assert_eq!(key, "region=a7/month=1970-01/shard=00007/length=3");
    let _ = Charge::partitions().region("a".."b").month(DateTime::UNIX_EPOCH..).shard(3..7).length("3");
    let _ = regions::Region(1).0;
}
