#![deny(warnings)]
#![allow(dead_code)]

use s3store::{ColumnType, Record};

#[derive(Default, ColumnType)]
pub struct Nested {
    pub r#struct: String,
}

#[derive(Default, ColumnType)]
#[allow(non_camel_case_types)]
pub enum r#enum {
    #[default]
    r#fn,
    r#mod,
}

#[derive(Record)]
#[record(partition_by(r#type, r#move = r#in))]
pub struct Cost {
    #[record(entity)]
    pub r#type: String,
    #[record(entity)]
    pub r#in: String,
    pub r#enum: r#enum,
    pub r#match: Option<Nested>,
    #[record(version)]
    pub r#final: u64,
}

#[derive(Record)]
#[record(projection_of = Cost)]
pub struct Narrow {
    pub r#type: String,
    pub r#match: Option<Nested>,
}

#[test]
fn raw_identifiers_name_columns_without_the_prefix() {
    assert_eq!(<Cost as Record>::COLUMNS.r#type.name(), "type");
    let _ = Cost::partitions().r#type("a").r#move("b");
    let names: Vec<_> = <Narrow as Record>::description().columns.iter().map(|column| column.name.as_ref()).collect();
    assert_eq!(names, ["type", "match"]);
    let _ = |row: s3store::read::Row<'_, Cost>| (row.r#type.len(), row.r#match.map(|nested| nested.r#struct.len()));
    let _ = |row: s3store::read::Row<'_, Narrow>| (row.r#type.len(), row.r#match.map(|nested| nested.r#struct.len()));
}
