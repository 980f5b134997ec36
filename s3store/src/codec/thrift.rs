//! A scanner for structs in Thrift's compact protocol, which Parquet's footers and page headers are written in.
//!
//! The Parquet library reserves memory for counts that it reads, and reads the fields that it knows without a look at
//! their types. The scanner goes over the same bytes first, and allocates nothing. It checks each count against the bytes
//! that are left, bounds the nesting, and refuses a field whose type is not the one that the library will assume. After a
//! scan, the library and the scanner therefore agree on where each value begins.

use parquet::errors::{ParquetError, Result};

/// How deep the values of a field that the library skips may be nested.
const MOST_NESTED: usize = 32;

/// The fields that the library reads of a struct, with their types. It skips all others.
#[derive(Debug)]
pub(super) struct Shape {
    pub(super) name: &'static str,
    pub(super) fields: &'static [(i16, Kind)],
}

/// The type of a value.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Bool,
    Byte,
    /// An integer of 16, 32 or 64 bits, which have one encoding.
    Int,
    Double,
    Binary,
    Struct(&'static Shape),
    /// A struct that must not have fields.
    Empty,
    List(&'static Element),
    /// Any value. The library skips it.
    Skipped,
}

/// The elements of a list.
#[derive(Debug)]
pub(super) struct Element {
    pub(super) kind: Kind,
    /// The least number of bytes that one element takes.
    pub(super) least: usize,
}

/// An event of a scan. Each event comes with the name of the struct and the field's id.
#[derive(Debug, Clone, Copy)]
pub(super) enum Event<'a> {
    Int(i64),
    Binary(&'a [u8]),
    /// The beginning of a list.
    List,
    /// A value that is skipped.
    Skipped,
    /// The end of the struct. The field's id is 0.
    End,
}

/// The receiver of a scan's events.
pub(super) type Visit<'v, 'a> = &'v mut dyn FnMut(&'static str, i16, Event<'a>) -> Result<()>;

/// A position in bytes.
#[derive(Debug)]
pub(super) struct Scanner<'a> {
    rest: &'a [u8],
}

impl<'a> Scanner<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Returns the bytes that were not scanned yet.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Scans a struct whose end the bytes must hold. A boolean's value is its type. The recursion is as deep as the shapes are nested.
    pub(super) fn scan(&mut self, shape: &'static Shape, visit: Visit<'_, 'a>) -> Result<()> {
        let mut last = 0i16;
        while let Some((id, wire)) = self.field(last)? {
            let kind = shape.fields.iter().find_map(|&(known, kind)| (known == id).then_some(kind));
            match kind {
                None => self.skip(wire, MOST_NESTED)?,
                Some(kind) if !kind.is_written_as(wire) => {
                    return Err(malformed(format_args!("field {id} of {} has the wrong type", shape.name)));
                }
                Some(Kind::Bool) => {}
                Some(Kind::Skipped) => {
                    visit(shape.name, id, Event::Skipped)?;
                    self.skip(wire, MOST_NESTED)?;
                }
                Some(kind) => self.value(kind, shape, id, visit)?,
            }
            last = id;
        }
        visit(shape.name, 0, Event::End)
    }

    fn value(&mut self, kind: Kind, shape: &'static Shape, id: i16, visit: Visit<'_, 'a>) -> Result<()> {
        match kind {
            Kind::Bool | Kind::Byte => self.take(1).map(drop),
            Kind::Int => {
                let value = self.zigzag()?;
                visit(shape.name, id, Event::Int(value))
            }
            Kind::Double => self.take(8).map(drop),
            Kind::Binary => {
                let bytes = self.binary()?;
                visit(shape.name, id, Event::Binary(bytes))
            }
            Kind::Struct(inner) => self.scan(inner, visit),
            Kind::Empty => match self.byte()? {
                0 => Ok(()),
                _ => Err(malformed(format_args!("field {id} of {} is not empty", shape.name))),
            },
            Kind::List(element) => {
                visit(shape.name, id, Event::List)?;
                let (size, wire) = self.list()?;
                if size > 0 && !element.kind.is_written_as(wire) {
                    return Err(malformed(format_args!("list {id} of {} has elements of the wrong type", shape.name)));
                }
                if size.checked_mul(element.least).is_none_or(|bytes| bytes > self.rest.len()) {
                    let left = self.rest.len();
                    return Err(malformed(format_args!(
                        "list {id} of {} claims {size} elements, but only {left} bytes are left",
                        shape.name
                    )));
                }
                (0..size).try_for_each(|_| self.value(element.kind, shape, id, visit))
            }
            Kind::Skipped => Ok(()),
        }
    }

    /// Skips a value that the library skips too.
    fn skip(&mut self, wire: u8, nested: usize) -> Result<()> {
        let Some(nested) = nested.checked_sub(1) else {
            return Err(malformed(format_args!("values are nested more than {MOST_NESTED} deep")));
        };
        match wire {
            1 | 2 => Ok(()),
            3 => self.take(1).map(drop),
            4..=6 => self.varint().map(drop),
            7 => self.take(8).map(drop),
            8 => self.binary().map(drop),
            9 | 10 => {
                let (size, wire) = self.list()?;
                self.skip_elements(size, &[wire], nested)
            }
            11 => {
                let size = self.count()?;
                if size == 0 {
                    return Ok(());
                }
                let wires = self.byte()?;
                self.skip_elements(size, &[wires >> 4, wires & 0xf], nested)
            }
            12 => {
                while let Some((_, wire)) = self.field(0)? {
                    self.skip(wire, nested)?;
                }
                Ok(())
            }
            13 => self.take(16).map(drop),
            _ => Err(malformed(format_args!("{wire} is not a type"))),
        }
    }

    fn skip_elements(&mut self, size: usize, wires: &[u8], nested: usize) -> Result<()> {
        // The library takes no bytes for a boolean here, other writers one: nothing after it could be trusted.
        if size > 0 && wires.iter().any(|wire| matches!(wire, 1 | 2)) {
            return Err(malformed(format_args!("a list of booleans in a field that is not known")));
        }
        if size > self.rest.len() {
            let left = self.rest.len();
            return Err(malformed(format_args!("a list claims {size} elements, but only {left} bytes are left")));
        }
        for _ in 0..size {
            wires.iter().try_for_each(|&wire| self.skip(wire, nested))?;
        }
        Ok(())
    }

    /// Returns the next field's id and type, or `None` at the end of the struct.
    fn field(&mut self, last: i16) -> Result<Option<(i16, u8)>> {
        let header = self.byte()?;
        let wire = header & 0xf;
        if wire == 0 {
            return Ok(None);
        }
        let id = match i16::from(header >> 4) {
            0 => i16::try_from(self.zigzag()?).ok(),
            delta => last.checked_add(delta),
        };
        let id = id.ok_or_else(|| malformed(format_args!("a field's id is out of range")))?;
        Ok(Some((id, wire)))
    }

    /// Returns the size of a list, and the type of its elements.
    fn list(&mut self) -> Result<(usize, u8)> {
        let header = self.byte()?;
        let size = match header >> 4 {
            15 => self.count()?,
            size => usize::from(size),
        };
        Ok((size, header & 0xf))
    }

    fn count(&mut self) -> Result<usize> {
        let count = i32::try_from(self.varint()?).ok().and_then(|count| usize::try_from(count).ok());
        count.ok_or_else(|| malformed(format_args!("a list's size is out of range")))
    }

    fn binary(&mut self) -> Result<&'a [u8]> {
        let length = usize::try_from(self.varint()?).unwrap_or(usize::MAX);
        self.take(length)
    }

    fn zigzag(&mut self) -> Result<i64> {
        let value = self.varint()?;
        Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }

    fn varint(&mut self) -> Result<u64> {
        varint(&mut self.rest)
    }

    fn byte(&mut self) -> Result<u8> {
        let (&byte, rest) = self.rest.split_first().ok_or_else(cut_off)?;
        self.rest = rest;
        Ok(byte)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or_else(cut_off)?;
        self.rest = rest;
        Ok(taken)
    }
}

impl Kind {
    /// Returns whether `wire` is the protocol's number for this type.
    fn is_written_as(self, wire: u8) -> bool {
        match self {
            Self::Bool => matches!(wire, 1 | 2),
            Self::Byte => wire == 3,
            Self::Int => matches!(wire, 4..=6),
            Self::Double => wire == 7,
            Self::Binary => wire == 8,
            Self::Struct(_) | Self::Empty => wire == 12,
            Self::List(_) => wire == 9,
            Self::Skipped => true,
        }
    }
}

/// Reads an unsigned number of variable length, and moves `bytes` behind it.
pub(super) fn varint(bytes: &mut &[u8]) -> Result<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first().ok_or_else(cut_off)?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(malformed(format_args!("a number is longer than 64 bits")))
}

/// Returns the error for bytes that are not what they should be.
pub(super) fn malformed(reason: std::fmt::Arguments<'_>) -> ParquetError {
    ParquetError::General(reason.to_string())
}

fn cut_off() -> ParquetError {
    malformed(format_args!("the bytes end in the middle of a value"))
}
