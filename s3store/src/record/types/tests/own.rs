use std::net::Ipv4Addr;

use arrow_array::Array;
use arrow_schema::DataType;

use super::{assert_refusals, assert_round_trip, error_of, read, written};
use crate::record::{AsColumn, ColumnType, ColumnWith, Plain, Shape, ValueError, With, WithOption};

#[derive(Debug, PartialEq, Clone, Copy)]
struct Even(i32);

impl AsColumn for Even {
    type Column = i32;

    fn to_column(&self) -> Result<i32, ValueError> {
        if self.0 % 2 == 0 { Ok(self.0) } else { Err(ValueError::new(format!("{} is odd", self.0))) }
    }

    fn from_column(column: i32) -> Result<Self, ValueError> {
        Some(Self(column)).filter(|even| even.0 % 2 == 0).ok_or_else(|| ValueError::new("odd in the file"))
    }
}

/// Empty is null.
#[derive(Debug, PartialEq, Clone)]
struct Note(String);

impl AsColumn for Note {
    type Column = Option<String>;

    fn to_column(&self) -> Result<Option<String>, ValueError> {
        Ok(Some(self.0.clone()).filter(|text| !text.is_empty()))
    }

    fn from_column(column: Option<String>) -> Result<Self, ValueError> {
        Ok(Self(column.unwrap_or_default()))
    }
}

struct AsNumber;

impl ColumnWith<Ipv4Addr> for AsNumber {
    type Column = u32;

    fn to_column(value: &Ipv4Addr) -> Result<u32, ValueError> {
        Ok(value.to_bits())
    }

    fn from_column(column: u32) -> Result<Ipv4Addr, ValueError> {
        Ok(Ipv4Addr::from_bits(column))
    }
}

struct AsText;

impl<T: std::str::FromStr<Err: std::fmt::Display> + std::fmt::Display> ColumnWith<T> for AsText {
    type Column = String;

    fn to_column(value: &T) -> Result<String, ValueError> {
        Ok(value.to_string())
    }

    fn from_column(column: String) -> Result<T, ValueError> {
        column.parse().map_err(|error| ValueError::new(format!("{column:?}: {error}")))
    }
}

#[test]
fn own_types_are_stored_as_their_column() {
    assert_eq!(<Even as ColumnType>::shape(), Shape::Leaf(DataType::Int32));
    assert_round_trip::<Even, Plain>(&[Even(0), Even(-2), Even(i32::MAX - 1)]);
    assert_round_trip::<Option<Even>, Plain>(&[None, Some(Even(2))]);
    assert_round_trip::<Vec<Option<Even>>, Plain>(&[vec![None, Some(Even(2))], vec![]]);
    assert_refusals::<Even, Plain>();
}

#[test]
fn errors_of_an_own_type_fail_writes_and_reads() {
    assert_eq!(error_of::<Even, Plain>(Even(3)), "3 is odd");
    assert_eq!(error_of::<Vec<Even>, Plain>(vec![Even(2), Even(3)]), "column element: 3 is odd");
    let odd = written::<i32, Plain>(&[3]).unwrap();
    assert_eq!(read::<Even, Plain>(&odd).unwrap_err().to_string(), "odd in the file");
}

#[test]
fn an_own_type_may_be_null_in_the_column() {
    const { assert!(<Note as ColumnType>::NULLABLE) };
    let notes = [Note(String::new()), Note("ö".into())];
    assert_round_trip::<Note, Plain>(&notes);
    assert_eq!(written::<Note, Plain>(&notes).unwrap().null_count(), 1);
}

#[test]
fn foreign_types_are_stored_with_another() {
    let addresses = [Ipv4Addr::LOCALHOST, Ipv4Addr::BROADCAST];
    assert_round_trip::<Ipv4Addr, With<AsNumber>>(&addresses);
    assert_round_trip::<Ipv4Addr, With<AsText>>(&addresses);
    assert_round_trip::<Option<Ipv4Addr>, WithOption<AsText>>(&[None, Some(Ipv4Addr::LOCALHOST), None]);
    assert_refusals::<Ipv4Addr, With<AsNumber>>();
    let bad = super::as_read::<String, Plain>(&written::<String, Plain>(&["1.2.3".to_owned()]).unwrap());
    let error = read::<Option<Ipv4Addr>, WithOption<AsText>>(&bad).unwrap_err().to_string();
    assert!(error.starts_with("\"1.2.3\": "), "{error}");
}
