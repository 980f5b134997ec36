//! Compares a record with the schema of its dataset, and merges both.

use super::{Schema, SchemaColumn, SchemaForm, SchemaPartition, SchemaType, SchemaView};

/// The use that a handle is about to make of the dataset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Access {
    Read,
    Write,
    /// Reads a view's markers, and no column.
    LookUp,
}

/// The result of comparing a record with the schema of its dataset.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Comparison {
    /// The reasons why the record can't share the dataset, one for each column or part of the schema.
    pub(crate) differences: Vec<String>,
    /// Values that the record may meet and not read, or that readers of the record may miss.
    pub(crate) hints: Vec<String>,
    /// The union of both schemas.
    pub(crate) merged: Schema,
}

/// A record's side of a comparison.
#[derive(Debug)]
pub(crate) struct Side<'a> {
    pub(crate) schema: &'a Schema,
    pub(crate) access: Access,
    /// The columns that are accessed; `None` for all. A projection has some.
    pub(crate) columns: Option<&'a [&'a str]>,
    /// The columns that have a value for files without them.
    pub(crate) defaults: &'a [&'a str],
}

/// The registered column that a record's column stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Match {
    registered: usize,
    name: NameMatch,
}

/// How a record's column found the registered one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NameMatch {
    Same,
    /// The registered name is an alias in the record.
    Renamed,
    /// The record's name is an alias of the registered column, which the record does not know by its new name.
    Outdated,
    /// Only aliases agree.
    Diverged,
}

impl Comparison {
    /// Compares a record with a registered schema.
    pub(crate) fn with_registered(registered: &Schema, side: &Side<'_>) -> Self {
        let mine = side.schema;
        let mut found = Findings::default();
        found.partition(&registered.partition, &mine.partition, &registered.columns, &mine.columns);
        found.key(registered, mine);
        found.deleted(registered, mine, side.access);
        found.views(&registered.views, &mine.views, side.access);
        let columns = found.columns(&registered.columns, &mine.columns, &Scope::of(side));
        let name = |name: &String| resolve(name, &columns);
        let mut views = registered.views.clone();
        views.extend(mine.views.iter().filter(|view| !registered.has_view(view)).cloned());
        let merged = Schema {
            // The name changes only together with something else, so that two names for one schema do not alternate.
            record: registered.record.clone(),
            partition: registered.partition.iter().map(|part| merged_part(part, &mine.partition, &columns)).collect(),
            entity: registered.entity.iter().map(name).collect(),
            version: registered.version.as_ref().map(name),
            inserted_at: registered.inserted_at.as_ref().or(mine.inserted_at.as_ref()).map(name),
            deleted: registered.deleted.as_ref().or(mine.deleted.as_ref()).map(name),
            columns,
            views,
        };
        let merged = if merged == *registered { merged } else { Schema { record: mine.record.clone(), ..merged } };
        found.end(merged)
    }

    /// Compares a record with a partition of its dataset that has other columns.
    pub(crate) fn with_partition(partition: &str, side: &Side<'_>) -> Self {
        let names: Vec<_> = side.schema.partition.iter().map(|part| part.name.as_str()).collect();
        let names = names.join("/");
        let difference =
            format!("the newest commit is in the partition {partition}, the record is partitioned by {names}");
        Self { differences: vec![difference], hints: Vec::new(), merged: side.schema.clone() }
    }

    /// Compares a record with the columns of a file of its dataset.
    pub(crate) fn with_file(file: &[SchemaColumn], side: &Side<'_>) -> Self {
        let mut found = Findings::default();
        let columns = found.columns(file, &side.schema.columns, &Scope::of(side));
        found.end(Schema { columns, ..side.schema.clone() })
    }
}

impl Schema {
    fn has_view(&self, view: &SchemaView) -> bool {
        self.views.iter().any(|other| other.name == view.name)
    }
}

/// Returns the name of the merged column that a name stands for.
fn resolve(name: &String, columns: &[SchemaColumn]) -> String {
    let is = |column: &&SchemaColumn| column.name == *name;
    let exact = columns.iter().find(is);
    let column = exact.or_else(|| columns.iter().find(|column| column.aliases.contains(name)));
    column.map_or_else(|| name.clone(), |column| column.name.clone())
}

/// Returns the registered part of the partition with its columns' merged names. A form that is known replaces a function.
fn merged_part(registered: &SchemaPartition, mine: &[SchemaPartition], columns: &[SchemaColumn]) -> SchemaPartition {
    let known = mine.iter().find(|part| part.name == registered.name);
    let part = match (&registered.form, known) {
        (SchemaForm::Function, Some(known)) if registered.columns.is_empty() => known,
        _ => registered,
    };
    // All writers must say that the value is the stored one.
    let stored = registered.stored && known.is_none_or(|known| known.stored);
    SchemaPartition {
        columns: part.columns.iter().map(|name| resolve(name, columns)).collect(),
        stored,
        ..part.clone()
    }
}

/// The columns of one level, top level or fields of a struct, that a comparison reports.
struct Scope<'a> {
    /// The path of the level, such as `address.`.
    path: String,
    access: Access,
    /// The names of the record's columns that are accessed; `None` for all.
    only: Option<&'a [&'a str]>,
    defaults: &'a [&'a str],
}

impl<'a> Scope<'a> {
    fn of(side: &Side<'a>) -> Self {
        Self { path: String::new(), access: side.access, only: side.columns, defaults: side.defaults }
    }

    fn has(&self, column: &SchemaColumn) -> bool {
        self.access != Access::LookUp && self.only.is_none_or(|only| only.contains(&column.name.as_str()))
    }

    fn inside(&self, column: &str) -> Self {
        Self { path: format!("{}{column}.", self.path), access: self.access, only: None, defaults: &[] }
    }
}

#[derive(Debug, Default)]
struct Findings {
    differences: Vec<String>,
    hints: Vec<String>,
}

impl Findings {
    fn end(self, merged: Schema) -> Comparison {
        Comparison { differences: self.differences, hints: self.hints, merged }
    }

    fn partition(
        &mut self,
        registered: &[SchemaPartition],
        mine: &[SchemaPartition],
        columns: &[SchemaColumn],
        my_columns: &[SchemaColumn],
    ) {
        let names =
            |parts: &[SchemaPartition]| parts.iter().map(|part| part.name.clone()).collect::<Vec<_>>().join("/");
        if names(registered) != names(mine) {
            let (registered, mine) = (names(registered), names(mine));
            self.differences.push(format!("the dataset is partitioned by {registered}, the record by {mine}"));
            return;
        }
        let registered_name = registered_names(columns, my_columns);
        for (registered, mine) in registered.iter().zip(mine) {
            // The code of a function is not known, so nothing can be said about its values.
            if registered.form == SchemaForm::Function || mine.form == SchemaForm::Function {
                continue;
            }
            let resolved: Vec<_> = mine.columns.iter().map(&registered_name).collect();
            if registered.form != mine.form || registered.columns != resolved {
                let name = &registered.name;
                self.differences
                    .push(format!("partition column {name} is {registered} in the dataset, {mine} in the record"));
            }
        }
    }

    fn key(&mut self, registered: &Schema, mine: &Schema) {
        let registered_name = registered_names(&registered.columns, &mine.columns);
        let entity: Vec<_> = mine.entity.iter().map(&registered_name).collect();
        if entity != registered.entity {
            let (registered, mine) = (listed(&registered.entity), listed(&mine.entity));
            self.differences.push(format!("the dataset's entity is {registered}, the record's is {mine}"));
        }
        let version = mine.version.as_ref().map(registered_name);
        if version != registered.version {
            let named = |version: &Option<String>| version.clone().unwrap_or_else(|| "none".to_owned());
            let (registered, mine) = (named(&registered.version), named(&mine.version));
            self.differences.push(format!("the dataset's version is {registered}, the record's is {mine}"));
        }
    }

    /// Compares the marks of deleted entities. A reader without the mark would return entities that were deleted.
    fn deleted(&mut self, registered: &Schema, mine: &Schema, access: Access) {
        let Some(known) = &registered.deleted else { return };
        let my_name = mine.deleted.as_ref().map(registered_names(&registered.columns, &mine.columns));
        match my_name {
            Some(mine) if mine == *known => {}
            Some(mine) => self
                .differences
                .push(format!("column {known} marks deleted entities in the dataset, column {mine} in the record")),
            None => match access {
                Access::Read => self.differences.push(format!(
                    "column {known} marks deleted entities, which the record would return: add `#[record(deleted)]` to \
                     its field"
                )),
                Access::Write => self.hints.push(format!(
                    "column {known} marks deleted entities, which this record does not know: it deletes none"
                )),
                Access::LookUp => {}
            },
        }
    }

    fn views(&mut self, registered: &[SchemaView], mine: &[SchemaView], access: Access) {
        for view in registered {
            match mine.iter().find(|other| other.name == view.name) {
                Some(other) if other.columns != view.columns => self.differences.push(format!(
                    "view {} has the columns {} in the dataset, {} in the record",
                    view.name,
                    view.columns.join(", "),
                    other.columns.join(", ")
                )),
                None if access == Access::Write => self.hints.push(format!(
                    "view {} is not maintained by this record: look-ups miss what it writes until the view is backfilled",
                    view.name
                )),
                _ => {}
            }
        }
        let unknown = mine.iter().filter(|view| !registered.iter().any(|other| other.name == view.name));
        if access != Access::Write {
            self.hints.extend(unknown.map(|view| {
                format!("no writer has registered the view {}: look-ups find nothing until one maintains it", view.name)
            }));
        }
    }

    /// Compares the columns of one level, and returns their union: the registered columns in their order, then new ones.
    fn columns(&mut self, registered: &[SchemaColumn], mine: &[SchemaColumn], scope: &Scope<'_>) -> Vec<SchemaColumn> {
        let matches = matches(registered, mine);
        let mut merged: Vec<SchemaColumn> = registered.to_vec();
        for (index, column) in merged.iter_mut().enumerate() {
            column.may_be_missing |= !matches.iter().flatten().any(|found| found.registered == index);
        }
        for (column, found) in mine.iter().zip(matches) {
            let Some(found) = found else {
                self.only_letter_case(registered, mine, column, scope);
                let mut added = SchemaColumn { may_be_missing: true, ..column.clone() };
                added.aliases.retain(|alias| !merged.iter().any(|other| other.has_name(alias)));
                // The record has both columns, so the name stops being an alias of the other one.
                merged.iter_mut().for_each(|other| other.aliases.retain(|alias| *alias != added.name));
                merged.push(added);
                continue;
            };
            // A name stands for one column only, even if a record reads either of two.
            let others = merged.iter().enumerate().filter(|(index, _)| *index != found.registered);
            let taken: Vec<_> = others.flat_map(|(_, other)| other.names()).cloned().collect();
            let (Some(known), Some(union)) = (registered.get(found.registered), merged.get_mut(found.registered))
            else {
                continue;
            };
            if scope.has(column) {
                self.names(known, column, found.name, scope);
            }
            self.content(known, column, union, scope);
            merge_names(union, column, found.name, &taken);
        }
        merged
    }

    fn only_letter_case(
        &mut self,
        registered: &[SchemaColumn],
        mine: &[SchemaColumn],
        column: &SchemaColumn,
        scope: &Scope<'_>,
    ) {
        let is_mine = |name: &String| mine.iter().any(|other| other.name == *name || other.aliases.contains(name));
        let same =
            |known: &&SchemaColumn| known.name.to_lowercase() == column.name.to_lowercase() && !is_mine(&known.name);
        if let Some(known) = registered.iter().find(same) {
            let (path, name, known) = (&scope.path, &column.name, &known.name);
            self.differences.push(format!(
                "column {path}{name} differs from {path}{known} only in letter case; add `alias = {known:?}` to the field"
            ));
        }
    }

    fn names(&mut self, known: &SchemaColumn, column: &SchemaColumn, name: NameMatch, scope: &Scope<'_>) {
        let (path, registered, mine) = (&scope.path, &known.name, &column.name);
        match name {
            NameMatch::Same | NameMatch::Renamed => {}
            NameMatch::Outdated if scope.access == Access::Write => {
                self.hints.push(format!("column {path}{mine} is called {path}{registered} by newer writers"))
            }
            NameMatch::Outdated => self.differences.push(format!(
                "column {path}{mine} is called {path}{registered} by newer writers, so their values would be missing; \
                 add `alias = {registered:?}` to the field"
            )),
            NameMatch::Diverged => self.differences.push(format!(
                "column {path}{mine} is called {path}{registered} by other writers, which do not know its name; add \
                 `alias = {registered:?}` to the field"
            )),
        }
    }

    /// Compares types, nulls and values, and widens `union` to both.
    fn content(&mut self, known: &SchemaColumn, column: &SchemaColumn, union: &mut SchemaColumn, scope: &Scope<'_>) {
        let (path, name) = (&scope.path, &column.name);
        let is_read = scope.has(column);
        match merged_type(&known.data_type, &column.data_type) {
            Some(merged) => union.data_type = merged,
            None if is_read => self.differences.push(format!(
                "column {path}{name} is {} in the dataset, {} in the record",
                known.data_type, column.data_type
            )),
            None => {}
        }
        if is_read && known.data_type.reads(&column.data_type) && !column.data_type.reads(&known.data_type) {
            self.hints.push(format!(
                "column {path}{name} may be {}, which the record's {} does not read",
                known.data_type, column.data_type
            ));
        }
        let has_default = scope.defaults.contains(&name.as_str());
        if is_read && known.nullable && !column.nullable && !has_default {
            self.hints
                .push(format!("column {path}{name} may contain nulls; make the field an `Option`, or add a `default`"));
        }
        if is_read && known.may_be_missing && !column.nullable && !has_default {
            self.hints.push(format!(
                "column {path}{name} is missing in some files; add a `default`, or make the field an `Option`"
            ));
        }
        union.nullable |= column.nullable;
        if known.values.is_empty() || column.values.is_empty() {
            union.values.clear();
        } else {
            let unknown: Vec<_> = known.values.iter().filter(|value| !column.values.contains(value)).cloned().collect();
            if is_read && !unknown.is_empty() {
                self.hints.push(format!(
                    "column {path}{name} may have values that the record does not know: {}",
                    unknown.join(", ")
                ));
            }
            union.values.extend(column.values.iter().filter(|value| !known.values.contains(value)).cloned());
        }
        self.nested(known, column, union, scope);
    }

    fn nested(&mut self, known: &SchemaColumn, column: &SchemaColumn, union: &mut SchemaColumn, scope: &Scope<'_>) {
        let scope = scope.inside(&column.name);
        match (&known.data_type, &column.data_type, &mut union.data_type) {
            (SchemaType::Struct(known), SchemaType::Struct(mine), SchemaType::Struct(union)) => {
                *union = self.columns(known, mine, &scope);
            }
            (SchemaType::List(known), SchemaType::List(mine), SchemaType::List(union))
            | (SchemaType::Map(known), SchemaType::Map(mine), SchemaType::Map(union)) => {
                self.content(known, mine, union, &scope);
            }
            _ => {}
        }
    }
}

fn listed(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// Returns a function that returns the registered name of one of a record's columns, or the record's name of a new one.
fn registered_names<'a>(registered: &'a [SchemaColumn], mine: &'a [SchemaColumn]) -> impl Fn(&String) -> String + 'a {
    let matches = matches(registered, mine);
    move |name| {
        let position = mine.iter().position(|column| column.name == *name);
        let found = position.and_then(|position| matches.get(position).copied().flatten());
        let column = found.and_then(|found| registered.get(found.registered));
        column.map_or_else(|| name.clone(), |column| column.name.clone())
    }
}

/// Returns whether a registered column is the one that a record's column stands for.
type SamePredicate = fn(&SchemaColumn, &SchemaColumn) -> bool;

/// Finds the registered column for each of a record's columns, each at most once. Equal names come first.
fn matches(registered: &[SchemaColumn], mine: &[SchemaColumn]) -> Vec<Option<Match>> {
    let mut found: Vec<Option<Match>> = vec![None; mine.len()];
    let mut used = vec![false; registered.len()];
    let rules: [(NameMatch, SamePredicate); 4] = [
        (NameMatch::Same, |known, mine| known.name == mine.name),
        (NameMatch::Renamed, |known, mine| mine.aliases.contains(&known.name)),
        (NameMatch::Outdated, |known, mine| known.aliases.contains(&mine.name)),
        (NameMatch::Diverged, |known, mine| known.aliases.iter().any(|alias| mine.aliases.contains(alias))),
    ];
    for (name, fits) in rules {
        for (column, slot) in mine.iter().zip(&mut found) {
            if slot.is_some() {
                continue;
            }
            let free =
                registered.iter().zip(&mut used).enumerate().find(|(_, (known, used))| !**used && fits(known, column));
            if let Some((index, (_, used))) = free {
                *used = true;
                *slot = Some(Match { registered: index, name });
            }
        }
    }
    found
}

impl SchemaColumn {
    fn names(&self) -> impl Iterator<Item = &String> {
        std::iter::once(&self.name).chain(&self.aliases)
    }

    fn has_name(&self, name: &String) -> bool {
        self.names().any(|known| known == name)
    }
}

/// Adds a record's names of a column, except those that are `taken` by other columns. A new name becomes the name, an old
/// one an alias.
fn merge_names(union: &mut SchemaColumn, column: &SchemaColumn, name: NameMatch, taken: &[String]) {
    if name == NameMatch::Renamed && !union.has_name(&column.name) && !taken.contains(&column.name) {
        let old = std::mem::replace(&mut union.name, column.name.clone());
        union.aliases.push(old);
    }
    for name in column.names() {
        if !union.has_name(name) && !taken.contains(name) {
            union.aliases.push(name.clone());
        }
    }
}

/// Returns the type that holds the values of both, or `None` if neither type holds those of the other.
fn merged_type(known: &SchemaType, mine: &SchemaType) -> Option<SchemaType> {
    use SchemaType::{Decimal128, PointInTime, TimeOfDay};
    let widened = match (known, mine) {
        (PointInTime { unit, utc }, PointInTime { unit: other, .. }) => {
            PointInTime { unit: *unit.max(other), utc: *utc }
        }
        (TimeOfDay { unit }, TimeOfDay { unit: other }) => TimeOfDay { unit: *unit.max(other) },
        (Decimal128 { precision, scale }, Decimal128 { precision: other, scale: other_scale }) => {
            let digits = |precision: u8, scale: i8| i16::from(precision) - i16::from(scale);
            let scales = (*scale).max(*other_scale);
            let whole = digits(*precision, *scale).max(digits(*other, *other_scale));
            let precision = u8::try_from(whole + i16::from(scales)).unwrap_or(u8::MAX);
            Decimal128 { precision: precision.min(MAX_DECIMAL_DIGITS), scale: scales }
        }
        _ => match (mine.reads(known), known.reads(mine)) {
            (_, true) => known.clone(),
            (true, false) => mine.clone(),
            (false, false) => return None,
        },
    };
    Some(widened)
}

/// The number of digits that a decimal can have.
const MAX_DECIMAL_DIGITS: u8 = 38;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::{select, subsequence};

    use super::*;
    use crate::schema::SchemaTimeUnit;

    fn column() -> impl Strategy<Value = SchemaColumn> {
        let unit = select(vec![SchemaTimeUnit::Milliseconds, SchemaTimeUnit::Nanoseconds]);
        let decimal = (9_u8..18, 0_i8..9).prop_map(|(precision, scale)| SchemaType::Decimal128 { precision, scale });
        let leaf = prop_oneof![
            select(vec![
                SchemaType::Int16,
                SchemaType::Int32,
                SchemaType::Int64,
                SchemaType::Float64,
                SchemaType::Utf8
            ]),
            unit.prop_map(|unit| SchemaType::PointInTime { unit, utc: true }),
            decimal,
        ];
        let names = (select(vec!["a", "b", "c", "d"]), subsequence(vec!["a", "b", "c", "e"], 0..3));
        let values = subsequence(vec!["open", "closed", "void"], 0..4);
        (names, leaf, any::<bool>(), values).prop_map(|((name, aliases), data_type, nullable, values)| SchemaColumn {
            name: name.to_owned(),
            data_type,
            nullable,
            may_be_missing: false,
            aliases: aliases.into_iter().filter(|alias| *alias != name).map(str::to_owned).collect(),
            values: values.into_iter().map(str::to_owned).collect(),
        })
    }

    /// A record whose columns have different names and aliases.
    fn record() -> impl Strategy<Value = Schema> {
        prop::collection::vec(column(), 1..4).prop_map(|mut columns| {
            let mut taken = Vec::new();
            columns.retain_mut(|column| {
                column.aliases.retain(|alias| !taken.contains(alias));
                let is_new = !taken.contains(&column.name);
                if is_new {
                    taken.extend(column.aliases.iter().cloned().chain([column.name.clone()]));
                }
                is_new
            });
            Schema {
                record: "R".to_owned(),
                columns,
                partition: Vec::new(),
                entity: Vec::new(),
                version: None,
                inserted_at: None,
                deleted: None,
                views: Vec::new(),
            }
        })
    }

    fn compare(registered: &Schema, record: &Schema) -> Comparison {
        let side = Side { schema: record, access: Access::Write, columns: None, defaults: &[] };
        Comparison::with_registered(registered, &side)
    }

    proptest! {
        /// Instances of several builds start in any order, again and again: registering comes to an end, and what was
        /// registered is never narrowed.
        #[test]
        fn registering_comes_to_an_end(
            first in record(),
            others in prop::collection::vec(record(), 1..4),
            starts in prop::collection::vec(0_usize..4, 0..12),
        ) {
            let mut registered = compare(&first, &first).merged;
            prop_assert_eq!(&registered, &first);
            let builds: Vec<Schema> = std::iter::once(first).chain(others).collect();
            let starts = starts.into_iter().map(|start| start % builds.len()).chain(0..builds.len()).collect::<Vec<_>>();
            let rounds = || starts.iter().filter_map(|&start| builds.get(start));
            for build in rounds() {
                let Comparison { differences, merged, .. } = compare(&registered, build);
                if differences.is_empty() {
                    for column in &registered.columns {
                        let found = merged.column(&column.name).unwrap();
                        prop_assert!(found.data_type.reads(&column.data_type), "{:?} {:?}", found, column);
                        prop_assert!(found.nullable >= column.nullable && found.may_be_missing >= column.may_be_missing);
                    }
                    registered = merged;
                }
            }
            // Another round changes nothing, except that a build may fit now that did not fit before.
            let before = registered.clone();
            for build in rounds().chain(rounds()) {
                let Comparison { differences, merged, .. } = compare(&registered, build);
                if differences.is_empty() {
                    registered = merged;
                }
            }
            for build in rounds() {
                let Comparison { differences, merged, .. } = compare(&registered, build);
                prop_assert!(!differences.is_empty() || merged == registered, "{:?}\n{:?}\n{:?}", registered, build, before);
            }
        }

        #[test]
        fn the_stored_form_is_read_back(schema in record()) {
            prop_assert_eq!(Schema::from_json(schema.to_json().as_bytes()).unwrap(), Some(schema));
        }
    }
}
