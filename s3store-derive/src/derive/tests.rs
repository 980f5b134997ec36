use std::path::Path;

use syn::{DeriveInput, parse_quote};

use super::{column_type, record, view};

/// Compares the expansion of every kind of input with a snapshot. `BLESS=1` updates the snapshot.
#[test]
fn the_expansion_matches_the_snapshot() {
    let rich: DeriveInput = parse_quote! {
        #[record(
            partition_by(
                charge_period,
                region = region_of(customer_id),
                month = format(calculated_at, "%Y-%m"),
                "shard-no" = pad(shard, 4),
            ),
            dedup = "per_partition",
            views(SkuPeriod, other::ByCustomer),
            crate = ::s3store,
        )]
        pub struct Cost {
            #[record(entity)]
            charge_period: String,
            #[record(entity, rename = "customer", alias = "client")]
            customer_id: String,
            shard: u16,
            #[record(decimal(18, 6), default)]
            net_cost: Decimal,
            #[record(with = Hex)]
            color: Option<Color>,
            #[record(default = "EUR")]
            currency: String,
            #[record(skip)]
            cache: u32,
            #[record(version, timestamp = "ms", exact)]
            calculated_at: DateTime<Utc>,
            #[record(inserted_at)]
            inserted_at: Option<DateTime<Utc>>,
        }
    };
    let projection: DeriveInput = parse_quote! {
        #[record(projection_of = Cost, crate = ::s3store)]
        struct Narrow {
            currency: String,
            #[record(skip, default = 1)]
            rank: u8,
        }
    };
    let sku_period: DeriveInput = parse_quote! {
        #[view(of = Cost, name = "sku_period", crate = ::s3store)]
        struct SkuPeriod {
            charge_period: String,
            #[view(from = calculated_at, format = "%Y-%m")]
            month: NaiveDate,
            #[view(with = bucket_of(net_cost, charge_period), rename = "cost-bucket")]
            bucket: Bucket,
        }
    };
    let nested: DeriveInput = parse_quote! {
        #[column(crate = ::s3store)]
        struct Address {
            street: String,
            #[column(alias = "postcode")]
            zip: Option<u32>,
        }
    };
    let newtype: DeriveInput = parse_quote! {
        #[column(crate = ::s3store)]
        struct Sku(String);
    };
    let text: DeriveInput = parse_quote! {
        #[column(rename_all = "UPPERCASE", crate = ::s3store)]
        enum Currency {
            Eur,
            #[column(alias = "dollar")]
            Usd,
        }
    };
    let integer: DeriveInput = parse_quote! {
        #[column(repr = "u8", crate = ::s3store)]
        enum State {
            Open = 1,
            Closed = 2,
        }
    };
    let records = [rich, projection].map(|input| record(&input)).into_iter().chain([view(&sku_period)]);
    let columns = [nested, newtype, text, integer].map(|input| column_type(&input));
    let printed = prettyplease::unparse(&syn::parse2(records.chain(columns).collect()).unwrap());

    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots/expanded.rs");
    if std::env::var_os("BLESS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &printed).unwrap();
    }
    let blessed = std::fs::read_to_string(&path).unwrap();
    assert!(printed == blessed, "the expansion differs from {path:?}:\n{printed}");
}
