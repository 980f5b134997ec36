#![deny(warnings)]

// Views before and after their record, in other modules, with private fields and raw identifiers.

#[derive(s3store::View)]
#[view(of = records::Cost, name = "before")]
pub struct Before {
    pub day: String,
}

mod records {
    use s3store::{Record, View};

    #[derive(Record)]
    #[record(partition_by(day), views(super::Before, Inner, super::others::Outer, crate::ui::views::others::Types))]
    pub struct Cost {
        #[record(entity)]
        day: String,
        #[record(version, timestamp = "ms")]
        r#type: s3store::chrono::DateTime<s3store::chrono::Utc>,
        amount: Option<f64>,
        #[record(inserted_at)]
        at: Option<s3store::chrono::DateTime<s3store::chrono::Utc>>,
    }

    // Its fields are never read, because this module only writes.
    #[derive(View)]
    #[view(of = Cost, name = "inner")]
    struct Inner {
        day: String,
        #[view(with = rounded(amount))]
        amount: i64,
    }

    fn rounded(amount: &Option<f64>) -> Option<i64> {
        amount.filter(|amount| *amount > 0.0).map(|_| 1)
    }

    impl Cost {
        pub fn all(&self) -> (&str, Option<f64>) {
            (&self.day, self.amount.filter(|_| self.at.is_none() && self.r#type.timestamp() > 0))
        }
    }
}

pub mod others {
    use s3store::View;

    #[derive(View)]
    #[view(of = super::records::Cost, name = "outer")]
    pub struct Outer {
        #[view(from = day)]
        pub r#move: String,
        #[view(from = r#type, format = "%Y", rename = "type")]
        pub year: String,
        #[view(from = r#type, rename = "odd name")]
        pub at: s3store::chrono::DateTime<s3store::chrono::Utc>,
    }

    // Have the names of generated items.
    #[derive(Debug, Clone, s3store::ColumnType)]
    pub struct TypesPatterns(String);

    #[derive(View)]
    #[view(of = super::records::Cost, name = "types")]
    pub struct Types {
        #[view(with = patterns(day))]
        pub patterns: TypesPatterns,
        pub r#type: s3store::chrono::DateTime<s3store::chrono::Utc>,
    }

    fn patterns(day: &str) -> Option<TypesPatterns> {
        Some(TypesPatterns(day.to_owned()))
    }
}

#[test]
fn a_view_can_be_declared_anywhere() {
    use s3store::{RootRecord, View};

    let names: Vec<_> = records::Cost::views().iter().map(|view| format!("{view:?}")).collect();
    assert_eq!(names, ["before", "inner", "outer", "types"].map(|name| format!("ViewWriter({name})")));
    assert_eq!(others::Outer::COLUMNS, ["move", "type", "odd name"]);
    assert_eq!(others::Outer::source_columns(), ["day", "type"]);
    let _ = others::Outer::patterns().r#move("a").r#type("2026").odd_name(s3store::pattern::prefix("2026-"));
    let _ = others::Types::patterns().patterns(s3store::pattern::prefix("a"));
    let _ = records::Cost::all;
}
