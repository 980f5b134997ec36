//! `Decimal`, with a fixed number of digits.

use arrow_array::types::Decimal128Type;
use arrow_array::{ArrayRef, PrimitiveArray};
use arrow_schema::DataType;
use rust_decimal::Decimal;

use super::items::fixed_width;
use super::number::{FixedWidthBuilder, FixedWidthReader};
use super::{AsList, typed};
use crate::record::{ColumnType, DecimalOf, Reachable, Shape, Total, ValueError, ValueRows};

/// Reads decimals.
#[derive(Debug)]
pub struct DecimalReader {
    values: FixedWidthReader<i128>,
    scale: u32,
}

impl DecimalReader {
    #[inline]
    fn is_null(&self, row: usize) -> bool {
        self.values.is_null(row)
    }
}

impl<const P: u8, const S: i8> ColumnType<DecimalOf<P, S>> for Decimal {
    fixed_width!(FixedWidthBuilder<i128>, DecimalReader);

    type InVec = AsList<DecimalOf<P, S>>;
    type InRows = ValueRows<Self>;
    type Order = Total;

    const NULLABLE: bool = {
        assert!(1 <= P && P <= 38, "a decimal column has 1 to 38 digits");
        assert!(0 <= S && S as u8 <= P, "a decimal column has at most as many decimal places as digits");
        false
    };

    fn shape() -> Shape {
        Shape::Leaf(DataType::Decimal128(P, S))
    }

    #[inline]
    fn push(value: &Self, builder: &mut FixedWidthBuilder<i128>) -> Result<(), ValueError> {
        builder.push(unscaled(value, P, u32::from(S.unsigned_abs()))?);
        Ok(())
    }

    fn finish(builder: FixedWidthBuilder<i128>) -> Result<ArrayRef, ValueError> {
        builder.finish::<Decimal128Type>(&DataType::Decimal128(P, S))
    }

    fn reader(array: &ArrayRef) -> Result<DecimalReader, ValueError> {
        let expected = DataType::Decimal128(P, S);
        let array_typed = typed::<PrimitiveArray<Decimal128Type>>(array, &expected)?;
        // Uses the scale of the file, which may have more decimal places than the field.
        let scale = u32::try_from(array_typed.scale()).map_err(|_| super::mismatch(array, &expected))?;
        Ok(DecimalReader { values: FixedWidthReader::new(array_typed), scale })
    }

    const LOSSY: bool = true;

    fn stored(value: &Self) -> Result<Option<Self>, ValueError> {
        let scale = u32::from(S.unsigned_abs());
        let read = decimal(unscaled(value, P, scale)?, scale)?;
        // Equal decimals can differ in their text: by trailing zeros, or as -0.
        Ok((read.scale() != value.scale() || read.is_sign_negative() != value.is_sign_negative()).then_some(read))
    }

    #[inline]
    fn get(reader: &DecimalReader, row: usize) -> Result<Self, ValueError> {
        decimal(reader.values.value(row)?, reader.scale)
    }

    fn hold(array: &ArrayRef, rows: &Reachable) -> Result<Self::InRows, ValueError> {
        ValueRows::hold::<DecimalOf<P, S>>(array, rows)
    }
}

/// Converts a number that counts units of the last of `scale` decimal places.
#[inline]
fn decimal(value: i128, scale: u32) -> Result<Decimal, ValueError> {
    Decimal::try_from_i128_with_scale(value, scale).or_else(|_| shortened(value, scale))
}

/// Returns the value as an integer, counted in units of the last of `places` decimal places.
#[inline]
fn unscaled(value: &Decimal, digits: u8, places: u32) -> Result<i128, ValueError> {
    let mantissa = value.mantissa();
    let scaled = match places.checked_sub(value.scale()) {
        Some(missing) => 10_i128.checked_pow(missing).and_then(|factor| mantissa.checked_mul(factor)),
        // A `Decimal` has at most 28 decimal places, and 10^28 fits.
        None => match 10_i128.pow(value.scale() - places) {
            factor if mantissa % factor == 0 => Some(mantissa / factor),
            _ => {
                let has = value.normalize().scale();
                return Err(ValueError::new(format_args!("{has} decimal places, the column holds {places}")));
            }
        },
    };
    match scaled {
        Some(scaled) if scaled.unsigned_abs() < 10_u128.pow(u32::from(digits)) => Ok(scaled),
        _ => Err(ValueError::new(format_args!(
            "{value} needs more digits than the column holds: {digits}, {places} of them decimal places"
        ))),
    }
}

/// Converts a number that has too many digits for a `Decimal` by dropping its trailing zeros.
#[cold]
fn shortened(mut value: i128, mut scale: u32) -> Result<Decimal, ValueError> {
    while scale > 0 && value % 10 == 0 {
        value /= 10;
        scale -= 1;
    }
    Decimal::try_from_i128_with_scale(value, scale)
        .map_err(|_| ValueError::new(format_args!("{value} with {scale} decimal places is too long for a Decimal")))
}
