//! Which of a file's columns are read, and how each becomes what the reader wants.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, new_null_array};
use arrow_cast::{CastOptions, cast_with_options};
use arrow_schema::{DataType, Field, FieldRef, Fields};
use parquet::basic::{ConvertedType, Type as Physical};
use parquet::schema::types::SchemaDescriptor;

use super::adapt::{Adapt, Filler, Member, Nulls, Source, Step};
use super::cast::{Annotation, LeafCast};
use crate::record::{ColumnNode, Shape, ValueError};

/// Matches wanted columns to a file's, and collects the leaves that must be decoded for them.
pub(super) struct Planner<'a> {
    parquet: &'a SchemaDescriptor,
    /// Ascending, once [`Planner::members`] is through.
    pub(super) leaves: Vec<usize>,
}

/// A field of the file, with its first leaf.
struct Found<'a> {
    field: &'a Field,
    leaf: usize,
}

impl<'a> Planner<'a> {
    pub(super) fn new(parquet: &'a SchemaDescriptor) -> Self {
        Self { parquet, leaves: Vec::new() }
    }

    /// The columns `wanted`, from a group of the file with `fields`, whose first leaf is `leaf`.
    pub(super) fn members(
        &mut self,
        wanted: &[ColumnNode],
        fields: &Fields,
        leaf: usize,
    ) -> Result<Vec<Member>, ValueError> {
        let mut places = Vec::with_capacity(wanted.len());
        let mut used = Vec::new();
        for node in wanted {
            let names = std::iter::once(&node.name).chain(node.aliases);
            let place = names.into_iter().find_map(|name| fields.iter().position(|field| field.name() == name));
            used.extend(place);
            places.push(place);
        }
        used.sort_unstable();
        used.dedup();
        let starts: Vec<usize> = fields
            .iter()
            .scan(leaf, |next, field| {
                let start = *next;
                *next += leaf_count(field.data_type());
                Some(start)
            })
            .collect();
        let member = |(node, place): (&ColumnNode, Option<usize>)| {
            let source = match place.and_then(|place| Some((place, *starts.get(place)?, fields.get(place)?))) {
                Some((place, leaf, field)) => {
                    let adapt = self.node(node, &Found { field, leaf })?;
                    Ok(Source::Column(used.partition_point(|&other| other < place), adapt))
                }
                None => missing(node).map(Source::Missing),
            };
            Ok(Member { name: node.name, source: source.map_err(|error: ValueError| error.in_column(node.name))? })
        };
        let members = wanted.iter().zip(places).map(member).collect::<Result<Vec<_>, _>>()?;
        if used.is_empty() && !fields.is_empty() && leaf_count(&DataType::Struct(fields.clone())) > 0 {
            // None of its fields is wanted, but whether the group itself is null must be known.
            self.leaves.push(leaf);
        }
        Ok(members)
    }

    fn node(&mut self, node: &ColumnNode, found: &Found<'_>) -> Result<Adapt, ValueError> {
        let (step, data_type) = self.step(node, found).map_err(|error| error.in_column(node.name))?;
        let nulls = match (node.nullable, &node.default) {
            (true, _) => Nulls::Keep,
            (false, Some(default)) if node.default_for_nulls => Nulls::Replace(fitted(&default()?, &data_type)?),
            (false, _) => Nulls::Refuse,
        };
        Ok(Adapt { step, nulls, data_type })
    }

    fn step(&mut self, node: &ColumnNode, found: &Found<'_>) -> Result<(Step, DataType), ValueError> {
        match (&node.shape, found.field.data_type()) {
            (Shape::Leaf(wanted), file) => self.leaf(wanted, file, found.leaf),
            (Shape::Uuid, file) => self.leaf(&node.read_type(), file, found.leaf),
            (Shape::List(element), DataType::List(file)) => {
                let adapt = self.node(element, &Found { field: file, leaf: found.leaf })?;
                let field = field_for(element, &adapt.data_type);
                let data_type = DataType::List(Arc::clone(&field));
                Ok((Step::List { field, element: Box::new(adapt) }, data_type))
            }
            (Shape::Map(value), DataType::Map(entries, _)) => self.map(value, entries, found.leaf),
            (Shape::Struct(wanted), DataType::Struct(file)) => {
                let members = self.members(wanted, file, found.leaf)?;
                let fields: Fields =
                    wanted.iter().zip(&members).map(|(node, member)| field_for(node, member.data_type())).collect();
                Ok((Step::Struct { fields: fields.clone(), members }, DataType::Struct(fields)))
            }
            (_, file) => self.leaf(&node.write_type(), file, found.leaf),
        }
    }

    fn leaf(&mut self, wanted: &DataType, file: &DataType, leaf: usize) -> Result<(Step, DataType), ValueError> {
        if file.is_nested() || wanted.is_nested() {
            return Err(mismatch(file, wanted));
        }
        let column = self.parquet.column(leaf);
        if column.physical_type() == Physical::INT96 {
            return Err(ValueError::new("the file has INT96, a deprecated form of timestamps that is not read"));
        }
        let annotation = match column.converted_type() {
            ConvertedType::ENUM => Annotation::Enum,
            ConvertedType::UTF8 | ConvertedType::NONE => Annotation::Plain,
            _ => Annotation::UncheckedText,
        };
        let (cast, data_type) = LeafCast::plan(file, annotation, wanted).ok_or_else(|| mismatch(file, wanted))?;
        self.leaves.push(leaf);
        Ok((Step::Leaf(cast), data_type))
    }

    fn map(&mut self, value: &ColumnNode, file: &Field, leaf: usize) -> Result<(Step, DataType), ValueError> {
        let DataType::Struct(pair) = file.data_type() else {
            return Err(mismatch(file.data_type(), &DataType::Utf8));
        };
        // By place: writers disagree on the names.
        let [file_key, file_value] = pair.iter().as_slice() else {
            return Err(mismatch(file.data_type(), &DataType::Utf8));
        };
        let key_node = map_key();
        let key = self.node(&key_node, &Found { field: file_key, leaf })?;
        let value_leaf = leaf + leaf_count(file_key.data_type());
        let adapted = self.node(value, &Found { field: file_value, leaf: value_leaf })?;
        let fields = Fields::from(vec![field_for(&key_node, &key.data_type), field_for(value, &adapted.data_type)]);
        let entries = Arc::new(Field::new("key_value", DataType::Struct(fields.clone()), false));
        let data_type = DataType::Map(Arc::clone(&entries), false);
        Ok((Step::Map { entries, fields, key: Box::new(key), value: Box::new(adapted) }, data_type))
    }
}

fn map_key() -> ColumnNode {
    ColumnNode {
        name: "key",
        aliases: &[],
        shape: Shape::Leaf(DataType::Utf8),
        nullable: false,
        default: None,
        default_for_nulls: false,
    }
}

/// The field of a wanted node, with the type that comes out for it.
pub(super) fn field_for(node: &ColumnNode, data_type: &DataType) -> FieldRef {
    node.field(data_type.clone())
}

/// How many leaves are below a type of the file.
pub(super) fn leaf_count(data_type: &DataType) -> usize {
    match data_type {
        DataType::List(field) | DataType::Map(field, _) => leaf_count(field.data_type()),
        DataType::Struct(fields) => fields.iter().map(|field| leaf_count(field.data_type())).sum(),
        _ => 1,
    }
}

fn missing(node: &ColumnNode) -> Result<Filler, ValueError> {
    let wanted = node.read_type();
    let value = match node.default {
        Some(default) => fitted(&default()?, &wanted)?,
        None if node.nullable => new_null_array(&wanted, 1),
        None => return Err(ValueError::new("the file lacks it, and it has no default")),
    };
    Ok(Filler::new(value))
}

/// A default of one element, in another form of its type.
fn fitted(value: &ArrayRef, wanted: &DataType) -> Result<ArrayRef, ValueError> {
    let options = CastOptions { safe: false, ..CastOptions::default() };
    let value = cast_with_options(value, wanted, &options)
        .map_err(|error| ValueError::new(format!("the default does not fit the column: {error}")))?;
    match value.len() {
        1 => Ok(value),
        length => Err(ValueError::new(format!("the default has {length} values instead of one"))),
    }
}

fn mismatch(file: &DataType, wanted: &DataType) -> ValueError {
    ValueError::new(format!("the file has {}, the record wants {}", plain(file), plain(wanted)))
}

/// A type as its writer would name it: how we hold text and bytes in memory is no matter.
fn plain(data_type: &DataType) -> &DataType {
    match data_type {
        DataType::Utf8View => &DataType::Utf8,
        DataType::BinaryView => &DataType::Binary,
        other => other,
    }
}
