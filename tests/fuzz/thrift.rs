//! Values in Thrift's compact protocol, as trees that can be changed and written again.

/// A value. Lists and structs remember how they were written.
#[derive(Debug, Clone)]
pub enum Value {
    Bool(bool),
    Byte(u8),
    /// An integer with the protocol's number for its type.
    Int(u8, i64),
    Double([u8; 8]),
    Binary(Vec<u8>),
    /// The type of the elements, the elements, and the count to claim if it is not theirs.
    List(u8, Vec<Value>, Option<u64>),
    Struct(Vec<(i64, Value)>),
}

pub fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn put_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn zigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}

fn put_zigzag(value: i64, out: &mut Vec<u8>) {
    put_varint(((value << 1) ^ (value >> 63)).cast_unsigned(), out);
}

fn take<'a>(bytes: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(taken)
}

impl Value {
    /// Parses a struct, and moves `bytes` behind it.
    pub fn parse_struct(bytes: &mut &[u8]) -> Option<Self> {
        let (mut fields, mut last) = (Vec::new(), 0);
        loop {
            let header = take(bytes, 1)?[0];
            let wire = header & 0xf;
            if wire == 0 {
                return Some(Self::Struct(fields));
            }
            last = match header >> 4 {
                0 => zigzag(varint(bytes)?),
                delta => last + i64::from(delta),
            };
            let value = match wire {
                1 | 2 => Self::Bool(wire == 1),
                wire => Self::parse(wire, bytes)?,
            };
            fields.push((last, value));
        }
    }

    fn parse(wire: u8, bytes: &mut &[u8]) -> Option<Self> {
        Some(match wire {
            1 | 2 => Self::Bool(take(bytes, 1)?[0] == 1),
            3 => Self::Byte(take(bytes, 1)?[0]),
            4..=6 => Self::Int(wire, zigzag(varint(bytes)?)),
            7 => Self::Double(take(bytes, 8)?.try_into().ok()?),
            8 => {
                let length = usize::try_from(varint(bytes)?).ok()?;
                Self::Binary(take(bytes, length)?.to_vec())
            }
            9 | 10 => {
                let header = take(bytes, 1)?[0];
                let size = if header >> 4 == 15 { varint(bytes)? } else { u64::from(header >> 4) };
                let items = (0..size).map(|_| Self::parse(header & 0xf, bytes)).collect::<Option<Vec<_>>>()?;
                Self::List(header & 0xf, items, None)
            }
            12 => Self::parse_struct(bytes)?,
            _ => return None,
        })
    }

    /// The protocol's number for the type.
    fn wire(&self) -> u8 {
        match self {
            Self::Bool(value) => 2 - u8::from(*value),
            Self::Byte(_) => 3,
            Self::Int(wire, _) => *wire,
            Self::Double(_) => 7,
            Self::Binary(_) => 8,
            Self::List(..) => 9,
            Self::Struct(_) => 12,
        }
    }

    /// Appends the value. A boolean in a struct has no bytes of its own.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Bool(value) => out.push(2 - u8::from(*value)),
            Self::Byte(value) => out.push(*value),
            Self::Int(_, value) => put_zigzag(*value, out),
            Self::Double(bytes) => out.extend(bytes),
            Self::Binary(bytes) => {
                put_varint(bytes.len() as u64, out);
                out.extend(bytes);
            }
            Self::List(wire, items, claimed) => {
                let size = claimed.unwrap_or(items.len() as u64);
                if size < 15 {
                    out.push((size as u8) << 4 | wire);
                } else {
                    out.push(0xf0 | wire);
                    put_varint(size, out);
                }
                items.iter().for_each(|item| item.write(out));
            }
            Self::Struct(fields) => {
                let mut last = 0;
                for (id, value) in fields {
                    match u8::try_from(id.wrapping_sub(last)) {
                        Ok(delta @ 1..=15) => out.push(delta << 4 | value.wire()),
                        _ => {
                            out.push(value.wire());
                            put_zigzag(*id, out);
                        }
                    }
                    last = *id;
                    if !matches!(value, Self::Bool(_)) {
                        value.write(out);
                    }
                }
                out.push(0);
            }
        }
    }

    /// Returns a field of a struct.
    pub fn field(&self, id: i64) -> Option<&Self> {
        match self {
            Self::Struct(fields) => fields.iter().find_map(|(found, value)| (*found == id).then_some(value)),
            _ => None,
        }
    }

    pub fn field_mut(&mut self, id: i64) -> Option<&mut Self> {
        match self {
            Self::Struct(fields) => fields.iter_mut().find_map(|(found, value)| (*found == id).then_some(value)),
            _ => None,
        }
    }

    pub fn int(&self) -> Option<i64> {
        match self {
            Self::Int(_, value) => Some(*value),
            _ => None,
        }
    }

    pub fn items(&self) -> &[Self] {
        match self {
            Self::List(_, items, _) => items,
            _ => &[],
        }
    }

    pub fn items_mut(&mut self) -> &mut [Self] {
        match self {
            Self::List(_, items, _) => items,
            _ => &mut [],
        }
    }

    /// Returns how many values there are, with this one.
    pub fn count(&self) -> usize {
        1 + match self {
            Self::Struct(fields) => fields.iter().map(|(_, value)| value.count()).sum(),
            Self::List(_, items, _) => items.iter().map(Self::count).sum::<usize>(),
            _ => 0,
        }
    }

    /// Returns the value with this number, in the order in which they are written.
    pub fn nth(&mut self, number: &mut usize) -> Option<&mut Self> {
        if *number == 0 {
            return Some(self);
        }
        *number -= 1;
        match self {
            Self::Struct(fields) => fields.iter_mut().find_map(|(_, value)| value.nth(number)),
            Self::List(_, items, _) => items.iter_mut().find_map(|item| item.nth(number)),
            _ => None,
        }
    }
}
