//! A record as its struct describes it, before it is checked.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote};
use syn::ext::IdentExt;
use syn::{Data, DeriveInput, Fields, FieldsNamed, Ident, Path, Type};

use crate::attr::{FieldAttrs, RecordAttrs, Source, ViewAttrs, ViewFieldAttrs};
use crate::ctxt::Ctxt;

/// A struct with `#[derive(Record)]`.
pub(crate) struct Record<'a> {
    pub(crate) ident: &'a Ident,
    pub(crate) attrs: RecordAttrs,
    pub(crate) fields: Vec<Field<'a>>,
    /// An attribute of the struct could not be read, so nothing is said about one that seems to lack.
    pub(crate) unread: bool,
    /// An attribute of some field could not be read.
    pub(crate) unread_field: bool,
}

/// A field, of a record or of a nested struct.
pub(crate) struct Field<'a> {
    pub(crate) ident: &'a Ident,
    /// Its name as the language sees it: `type` of `r#type`.
    pub(crate) name: String,
    pub(crate) ty: &'a Type,
    pub(crate) attrs: FieldAttrs,
    /// The column's name by a rule for all fields, where it has no `rename` of its own.
    pub(crate) renamed: Option<String>,
}

impl<'a> Record<'a> {
    /// Reads the struct. `None` if it has no named fields, which is noted.
    pub(crate) fn read(cx: &Ctxt, input: &'a DeriveInput) -> Option<Self> {
        let attrs = RecordAttrs::read(cx, &input.attrs);
        let unread = cx.count() > 0;
        no_generics(cx, input, "a record owns its data and is one type");
        let before = cx.count();
        let is = "a record is a struct whose fields are its columns, by name";
        let of_enum = "an enum is no record; as a column of one it has `#[derive(s3store::ColumnType)]`";
        let fields = Field::read_all(cx, named_fields(cx, input, is, of_enum)?, "record");
        Some(Self { ident: &input.ident, attrs, fields, unread, unread_field: cx.count() > before })
    }

    /// The fields that are columns, in order.
    pub(crate) fn columns(&self) -> impl Iterator<Item = &Field<'a>> {
        self.fields.iter().filter(|field| field.is_column())
    }

    /// The field of this name.
    pub(crate) fn field(&self, ident: &Ident) -> Option<&Field<'a>> {
        let name = ident.unraw();
        self.fields.iter().find(|field| name == field.name)
    }

    /// A name for an item of the macro's, see [`own_name`].
    pub(crate) fn own_name(&self, end: &str) -> Ident {
        let mut taken: TokenStream = self.fields.iter().map(|field| field.ty.to_token_stream()).collect();
        let parts = self.attrs.partition_by.iter().flat_map(|parts| &parts.value);
        taken.extend(parts.filter_map(|part| match &part.source {
            Source::Call(path, _) => Some(path.to_token_stream()),
            _ => None,
        }));
        taken.extend(self.views().iter().map(ToTokens::to_token_stream));
        own_name(self.ident, end, &taken)
    }

    /// The views that its writers keep.
    pub(crate) fn views(&self) -> &[Path] {
        self.attrs.views.as_ref().map_or(&[], |given| &given.value)
    }

    /// What this is a projection of, if it is one.
    pub(crate) fn root(&self) -> Option<&Path> {
        self.attrs.projection_of.as_ref().map(|given| &given.value)
    }
}

impl<'a> Field<'a> {
    /// The fields of a struct with names.
    pub(crate) fn read_all(cx: &Ctxt, fields: &'a FieldsNamed, attr: &str) -> Vec<Self> {
        let named = fields.named.iter();
        named
            .filter_map(|field| {
                let ident = field.ident.as_ref()?;
                let attrs = FieldAttrs::read(cx, &field.attrs, attr);
                Some(Self { ident, name: ident.unraw().to_string(), ty: &field.ty, attrs, renamed: None })
            })
            .collect()
    }

    /// Whether it is stored.
    pub(crate) fn is_column(&self) -> bool {
        self.attrs.skip.is_none()
    }

    /// The name of its column.
    pub(crate) fn column(&self) -> String {
        match &self.attrs.rename {
            Some(given) => given.value.value(),
            None => self.renamed.clone().unwrap_or_else(|| self.name.clone()),
        }
    }
}

/// A struct with `#[derive(View)]`.
pub(crate) struct View<'a> {
    pub(crate) ident: &'a Ident,
    pub(crate) attrs: ViewAttrs,
    pub(crate) fields: Vec<ViewField<'a>>,
    /// An attribute of the struct could not be read.
    pub(crate) unread: bool,
}

/// A field of a view: one of its columns.
pub(crate) struct ViewField<'a> {
    pub(crate) ident: &'a Ident,
    pub(crate) ty: &'a Type,
    pub(crate) attrs: ViewFieldAttrs,
}

impl<'a> View<'a> {
    /// Reads the struct. `None` if it has no named fields, which is noted.
    pub(crate) fn read(cx: &Ctxt, input: &'a DeriveInput) -> Option<Self> {
        let attrs = ViewAttrs::read(cx, &input.attrs);
        let unread = cx.count() > 0;
        no_generics(cx, input, "a view owns its values and is one type");
        let is = "a view is a struct whose fields are its columns, by name";
        let named = named_fields(cx, input, is, "an enum is no view, which is a struct with a field per column")?;
        let fields = named.named.iter().filter_map(|field| {
            let attrs = ViewFieldAttrs::read(cx, &field.attrs);
            Some(ViewField { ident: field.ident.as_ref()?, ty: &field.ty, attrs })
        });
        Some(Self { ident: &input.ident, attrs, fields: fields.collect(), unread })
    }

    /// A name for an item of the macro's, see [`own_name`].
    pub(crate) fn own_name(&self, end: &str) -> Ident {
        let mut taken: TokenStream = self.fields.iter().map(|field| field.ty.to_token_stream()).collect();
        taken.extend(self.fields.iter().filter_map(|field| field.attrs.with.as_ref()).map(|given| {
            let (path, _) = &given.value;
            path.to_token_stream()
        }));
        taken.extend(self.attrs.of.as_ref().map(|given| given.value.to_token_stream()));
        own_name(self.ident, end, &taken)
    }
}

impl ViewField<'_> {
    /// The column's name in keys.
    pub(crate) fn column(&self) -> String {
        self.attrs.rename.as_ref().map_or_else(|| self.ident.unraw().to_string(), |given| given.value.value())
    }

    /// Where the column's name stands.
    pub(crate) fn span(&self) -> Span {
        self.attrs.rename.as_ref().map_or_else(|| self.ident.span(), |given| given.value.span())
    }

    /// The field of the record that the value is made of, where no function makes it.
    pub(crate) fn source(&self) -> &Ident {
        self.attrs.from.as_ref().map_or(self.ident, |given| &given.value)
    }
}

/// A name for an item of the macro's: `CostColumns`, or with `_` where `taken` has that name.
pub(crate) fn own_name(ident: &Ident, end: &str, taken: &TokenStream) -> Ident {
    let mut name = format_ident!("{}{end}", ident.unraw());
    while mentions(taken, &name) {
        name = format_ident!("{name}_");
    }
    name
}

/// Whether a word stands anywhere in `tokens`.
fn mentions(tokens: &TokenStream, word: &Ident) -> bool {
    tokens.clone().into_iter().any(|tree| match tree {
        TokenTree::Ident(ident) => ident == *word,
        TokenTree::Group(group) => mentions(&group.stream(), word),
        _ => false,
    })
}

/// Refuses type parameters, lifetimes and constants.
pub(crate) fn no_generics(cx: &Ctxt, input: &DeriveInput, why: &str) {
    if !input.generics.params.is_empty() {
        cx.error(&input.generics.params, format!("no generics here: {why}"));
    } else if let Some(clause) = &input.generics.where_clause {
        cx.error(clause, format!("no `where` here: {why}"));
    }
}

/// The fields of a struct with names. `None` if it is none, which is noted: `a record is …`.
pub(crate) fn named_fields<'a>(cx: &Ctxt, input: &'a DeriveInput, is: &str, of_enum: &str) -> Option<&'a FieldsNamed> {
    let (token, what): (TokenStream, _) = match &input.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(fields) => return Some(fields),
            Fields::Unnamed(fields) => (fields.to_token_stream(), "the fields of this one have no names"),
            Fields::Unit => (input.ident.to_token_stream(), "this one has no fields"),
        },
        Data::Enum(data) => {
            cx.error(data.enum_token, of_enum);
            return None;
        }
        Data::Union(data) => (data.union_token.to_token_stream(), "this is a union"),
    };
    cx.error(quote!(#token), format!("{is}; {what}"));
    None
}
