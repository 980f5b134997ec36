//! The fields of a record that a view reads.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Ident, Path, Type};

use super::tokens::{local, located};
use crate::model::{View, ViewField};

/// Returns the constant of a record's column. The compiler reports a column that does not exist.
pub(super) fn column(record: &Path, field: &Ident) -> TokenStream {
    quote_spanned!(located(field.span())=> <#record as _s3store::Record>::COLUMNS.#field)
}

/// The fields of a record that a view reads, and how.
pub(super) struct Inputs<'v> {
    record: &'v Path,
    /// The fields, each once.
    fields: Vec<&'v Ident>,
    inputs: Vec<Input<'v>>,
}

/// A variable for a field of the record.
///
/// A field has one variable, or several if columns of different types take its value. The compiler then reports the
/// types that are wrong.
struct Input<'v> {
    /// The index of the field in [`Inputs::fields`].
    field: usize,
    /// The view's column that takes the value unchanged and so determines the type.
    taken_by: Option<&'v ViewField<'v>>,
}

impl<'v> Inputs<'v> {
    /// Collects the fields of `record` that the columns of `view` read.
    pub(super) fn of(view: &'v View<'v>, record: &'v Path) -> Self {
        let mut this = Self { record, fields: Vec::new(), inputs: Vec::new() };
        let is_unchanged = |field: &ViewField<'_>| field.attrs.with.is_none() && field.attrs.format.is_none();
        for column in view.fields.iter().filter(|field| is_unchanged(field)) {
            this.add(column.record_field(), Some(column));
        }
        for column in &view.fields {
            match &column.attrs.with {
                Some(given) => given.value.1.iter().for_each(|argument| this.add(argument, None)),
                None if is_unchanged(column) => {}
                None => this.add(column.record_field(), None),
            }
        }
        this
    }

    fn add(&mut self, ident: &'v Ident, taken_by: Option<&'v ViewField<'v>>) {
        let field = match self.field_index(ident) {
            Some(field) => field,
            None => {
                self.fields.push(ident);
                self.fields.len() - 1
            }
        };
        if self.input_index(field, taken_by.map(|column| column.ty)).is_none() {
            self.inputs.push(Input { field, taken_by });
        }
    }

    fn field_index(&self, ident: &Ident) -> Option<usize> {
        self.fields.iter().position(|field| field.unraw() == ident.unraw())
    }

    /// Returns the index of the variable for a field, with the type `ty` if one is given.
    fn input_index(&self, field: usize, ty: Option<&Type>) -> Option<usize> {
        let same_type = |column: &ViewField<'_>| {
            ty.is_none_or(|ty| ty.to_token_stream().to_string() == column.ty.to_token_stream().to_string())
        };
        self.inputs.iter().position(|input| input.field == field && input.taken_by.is_none_or(same_type))
    }

    /// Returns the variable that refers to the value of a field, for a column of type `ty`.
    pub(super) fn variable(&self, ident: &Ident, ty: Option<&Type>) -> Ident {
        let index = self.field_index(ident).and_then(|field| self.input_index(field, ty));
        local("field", index.unwrap_or_default())
    }

    /// Returns the number of variables.
    pub(super) fn len(&self) -> usize {
        self.inputs.len()
    }

    /// Returns the column constants of the fields.
    pub(super) fn columns(&self) -> impl Iterator<Item = TokenStream> {
        self.fields.iter().map(|field| column(self.record, field))
    }

    /// Returns the index of its field for each variable.
    pub(super) fn field_indices(&self) -> impl Iterator<Item = usize> {
        self.inputs.iter().map(|input| input.field)
    }

    /// Returns assertions that no field is the insertion time.
    pub(super) fn assertions(&self) -> TokenStream {
        let assertions = self.fields.iter().map(|field| {
            let column = column(self.record, field);
            quote_spanned! {located(field.span())=>
                const _: () = ::core::assert!(
                    !#column.is_set_by_write(),
                    "a view cannot read the insertion time, which the write sets"
                );
            }
        });
        assertions.collect()
    }

    /// Returns variables `column0` and so on that refer to the column constants, with the types that columns expect.
    pub(super) fn column_variables(&self) -> TokenStream {
        let variables = self.inputs.iter().enumerate().map(|(index, input)| {
            let local = local("column", index);
            let Some(column) = self.fields.get(input.field).map(|field| column(self.record, field)) else {
                return TokenStream::new();
            };
            match input.taken_by {
                Some(field) => {
                    let ty = field.ty;
                    let column = quote_spanned!(located(field.ident.span())=> &#column);
                    let expected = quote_spanned!(located(ty.span())=> &_s3store::Column<_, #ty, _>);
                    emit!(let #local: #expected = #column;)
                }
                None => emit!(let #local = &#column;),
            }
        });
        variables.collect()
    }
}
