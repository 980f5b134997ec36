//! Mutations of Parquet files.

use bytes::Bytes;

use crate::parquet_file::{footer, with_footer, with_header};
use crate::seeds::Seed;
use crate::thrift::Value;

/// Numbers that depend on a seed only (SplitMix64).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x2545_f491_4f6c_dd1d))
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Returns a number less than `end`, which must not be 0.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }
}

/// The kind of a mutation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Bytes anywhere are changed, removed, repeated or inserted.
    Bytes,
    /// The file ends early, or lacks a part.
    Cut,
    /// Fields of the footer are changed, and it is encoded again.
    Footer,
    /// Fields of a page's header are changed, and it is encoded again.
    Header,
    /// Bytes of a page are changed, most of them at its beginning.
    Page,
    /// Bytes of pages with a checksum are changed.
    Protected,
    /// Bytes that the record does not read are changed.
    Unread,
}

impl Kind {
    /// Returns whether the rows of the file before are the only right ones.
    pub fn keeps_rows(self) -> bool {
        matches!(self, Self::Protected | Self::Unread)
    }
}

pub struct Mutation {
    pub kind: Kind,
    pub file: Bytes,
}

impl Seed {
    pub fn mutate(&self, random: &mut Random) -> Mutation {
        let protected: Vec<_> = self.pages.iter().filter(|page| page.has_checksum() && !page.body.is_empty()).collect();
        let mut file = self.file.to_vec();
        let kind = match random.below(16) {
            0..=1 => {
                change_bytes(&mut file, random);
                Kind::Bytes
            }
            2 => {
                cut(&mut file, random);
                Kind::Cut
            }
            3..=7 => {
                let (place, mut value) = footer(&file).unwrap();
                change_values(&mut value, random);
                file = with_footer(&file, &place, &value);
                Kind::Footer
            }
            8..=10 => {
                let page = random.pick(&self.pages);
                let mut header = page.fields.clone();
                change_values(&mut header, random);
                file = with_header(&file, page, &header, random.below(4) > 0);
                Kind::Header
            }
            11 if !protected.is_empty() => {
                for _ in 0..=random.below(2) {
                    let body = random.pick(&protected).body.clone();
                    file[body.start + random.below(body.len())] ^= 1 + random.below(255) as u8;
                }
                Kind::Protected
            }
            12 if !self.unread.is_empty() => {
                for _ in 0..=random.below(8) {
                    file[*random.pick(&self.unread)] = random.next() as u8;
                }
                Kind::Unread
            }
            _ => {
                for _ in 0..=random.below(4) {
                    let body = random.pick(&self.pages).body.clone();
                    if !body.is_empty() {
                        let near = if random.below(2) == 0 { body.len().min(24) } else { body.len() };
                        file[body.start + random.below(near)] = byte(random);
                    }
                }
                Kind::Page
            }
        };
        Mutation { kind, file: file.into() }
    }
}

fn byte(random: &mut Random) -> u8 {
    match random.below(4) {
        0 => *random.pick(&[0, 1, 0x7f, 0x80, 0xff]),
        _ => random.next() as u8,
    }
}

fn change_bytes(file: &mut [u8], random: &mut Random) {
    for _ in 0..=random.below(6) {
        let at = random.below(file.len());
        let length = random.below(16).min(file.len() - at);
        match random.below(6) {
            0 => file[at] ^= 1 << random.below(8),
            1..=2 => file[at] = byte(random),
            3 => file[at..at + length].fill(byte(random)),
            4 => {
                let other = random.below(file.len() - length);
                file.copy_within(other..other + length, at);
            }
            _ => file[at..at + length].iter_mut().for_each(|byte| *byte = random.next() as u8),
        }
    }
}

fn cut(file: &mut Vec<u8>, random: &mut Random) {
    let at = random.below(file.len());
    let length = random.below(64).min(file.len() - at);
    match random.below(3) {
        0 => file.truncate(at),
        1 => drop(file.drain(at..at + length)),
        _ => {
            let part = file[at..at + length].to_vec();
            file.splice(at..at, part);
        }
    }
}

/// Changes some values of a tree.
fn change_values(tree: &mut Value, random: &mut Random) {
    for _ in 0..=random.below(3) {
        let count = tree.count();
        let other = tree.nth(&mut random.below(count)).unwrap().clone();
        // Numbers and lists are most of what a decoder allocates by.
        let mut chosen = tree.nth(&mut random.below(count)).unwrap().clone();
        let mut number = 0;
        for _ in 0..3 {
            number = random.below(count);
            chosen = tree.nth(&mut number.clone()).unwrap().clone();
            if !matches!(chosen, Value::Binary(_)) {
                break;
            }
        }
        change(&mut chosen, other, random);
        *tree.nth(&mut number).unwrap() = chosen;
    }
}

fn change(value: &mut Value, other: Value, random: &mut Random) {
    if random.below(12) == 0 {
        *value = match random.below(5) {
            0 => Value::Int(5, number(0, random)),
            1 => Value::Struct(Vec::new()),
            2 => (0..random.below(300)).fold(other, |inner, _| Value::Struct(vec![(1, inner)])),
            _ => other,
        };
        return;
    }
    match value {
        Value::Bool(value) => *value = !*value,
        Value::Byte(value) => *value = byte(random),
        Value::Int(_, value) => *value = number(*value, random),
        Value::Double(bytes) => bytes[random.below(8)] = byte(random),
        Value::Binary(bytes) => match (random.below(4), bytes.len(), other) {
            (0, _, Value::Binary(other)) => *bytes = other,
            (1, length, _) => bytes.truncate(random.below(length + 1)),
            (2, _, _) => bytes.extend(vec![byte(random); random.below(300)]),
            (_, 0, _) => bytes.push(byte(random)),
            (_, length, _) => bytes[random.below(length)] = byte(random),
        },
        Value::List(wire, items, claimed) => match random.below(7) {
            0 => *claimed = Some(number(items.len() as i64, random).unsigned_abs()),
            1 => *wire = random.below(16) as u8,
            2 => items.reverse(),
            3 => items.push(other),
            _ if items.is_empty() => *claimed = Some(1),
            4 => drop(items.remove(random.below(items.len()))),
            5 => {
                let (a, b) = (random.below(items.len()), random.below(items.len()));
                items.swap(a, b);
            }
            _ => {
                let item = random.pick(items).clone();
                items.extend(vec![item; random.below(200)]);
            }
        },
        Value::Struct(fields) => match random.below(4) {
            0 => fields.push((random.below(20) as i64, other)),
            _ if fields.is_empty() => fields.push((1, other)),
            1 => drop(fields.remove(random.below(fields.len()))),
            2 => {
                let index = random.below(fields.len());
                fields[index].0 = number(fields[index].0, random);
            }
            _ => {
                let field = random.pick(fields).clone();
                fields.push(field);
            }
        },
    }
}

fn number(before: i64, random: &mut Random) -> i64 {
    match random.below(8) {
        0 => before.wrapping_add(1),
        1 => before.wrapping_sub(1),
        2 => before.wrapping_mul(2),
        3 => random.below(20) as i64,
        4 => random.below(1 << 20) as i64,
        5 => (random.next() >> random.below(64)).cast_signed(),
        _ => *random.pick(&[
            0,
            -1,
            i64::from(i32::MAX),
            i64::from(i32::MIN),
            1 << 31,
            (1 << 32) - 1,
            i64::MAX,
            i64::MIN,
            1 << 40,
            0x7fff,
            0x8000,
        ]),
    }
}
