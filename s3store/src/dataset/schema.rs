//! The schema that a dataset keeps in its bucket: reading, checking and registering it.

use std::collections::HashSet;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;

use super::handle::Dataset;
use crate::codec::Footer;
use crate::error::{Error, ErrorKind, Result};
use crate::format::{PartitionKey, RefName};
use crate::record::{Description, Record, View};
use crate::s3::{Put, in_task};
use crate::schema::{Access, Comparison, Schema, SchemaColumn, SchemaView, Side};

/// How often a writer tries to register a schema while others register theirs.
const TRIES: usize = 10;

/// How many refs are looked at for a file that still exists.
const FILES: usize = 5;

/// The times before the present in which the newest ref is searched, shortest first.
const SEARCHED: [Duration; 4] = [
    Duration::from_secs(60),
    Duration::from_secs(3_600),
    Duration::from_secs(24 * 3_600),
    Duration::from_secs(30 * 24 * 3_600),
];

/// The reaction of a handle to a record that does not fit the schema of its dataset.
///
/// A dataset keeps the schema of its records under `_config/schema/`: see [`schema`](mod@crate::schema). Before its first
/// read, poll or write of a record type, a handle compares the record with it. The first writer registers its record,
/// after it has compared it with a recent file of the dataset, if there is one. Writers whose records add to the schema
/// register the union.
///
/// A record can't share the dataset if
/// - the names of its partition columns, or the columns or formats that their values are made from, are others;
/// - its entity or version consists of other columns;
/// - a column has another type, and neither type can be read as the other;
/// - the name of a column differs only in letter case;
/// - a view has the same name and other columns;
/// - a reader knows a column only by a name that newer writers do not use any more;
/// - a reader does not have the mark of deleted entities, or has another one.
///
/// A compatible difference that can surprise an older program is logged as a warning once: nulls, missing columns, wider
/// types, new values of an enum, new names, and views that a writer does not maintain.
///
/// # Requests
/// The first time that a [`Dataset`] or one of its clones is used: 1 LIST, and 1 GET if a schema is registered. A writer
/// that registers sends 1 PUT, and then 1 LIST and 1 GET to see it registered. If it is the first one, it first looks for a
/// recent file: 1 to 6 LIST, and 1 or 2 GET of its footer.
///
/// If S3 refuses these requests with 403, as it may for a writer that may only put, the handle logs a warning and works
/// without the check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum SchemaCheck {
    /// Calls fail with [`ErrorKind::Config`](crate::ErrorKind::Config) before they read or write a record. The default.
    #[default]
    Refuse,
    /// The differences are logged as a warning. A record that can't share the dataset is not registered.
    Warn,
    /// Nothing is compared, registered or sent.
    Off,
}

/// The check of a dataset's handles, and what they know of the registered schema.
#[derive(Debug)]
pub(super) struct SchemaGuard {
    check: SchemaCheck,
    /// `None` before the bucket was asked. Held while a check is in progress, so that others wait for its result.
    known: tokio::sync::Mutex<Option<Registered>>,
    checked: Mutex<HashSet<Subject>>,
}

/// The newest schema in the bucket.
#[derive(Debug, Clone)]
struct Registered {
    /// The number of its object; 0 if there is none.
    number: u32,
    content: Content,
}

#[derive(Debug, Clone)]
enum Content {
    Nothing,
    Schema(Arc<Schema>),
    /// A later version of the library wrote it in another form.
    Unreadable,
}

/// The result of looking for a file of a dataset without a schema.
enum RecentFile {
    /// The columns and the key of a file.
    Columns(Vec<SchemaColumn>, String),
    /// The newest commit is in this partition, which has other columns than the record's.
    InPartition(String),
    /// No file was found that can be read.
    None,
}

/// The record type, projection or view that a handle is about to use.
#[derive(Debug, Clone)]
pub(crate) struct Subject {
    record: &'static Description,
    root: &'static Description,
    access: Access,
    views: Vec<SchemaView>,
}

impl Subject {
    /// Returns the subject of a use of `record`, which is `root` or a projection of it.
    pub(crate) fn new(
        record: &'static Description,
        root: &'static Description,
        access: Access,
        views: Vec<SchemaView>,
    ) -> Self {
        Self { record, root, access, views }
    }

    /// Returns the subject of a reader of `T`.
    pub(crate) fn reader<T: Record>() -> Self {
        Self::new(T::description(), T::Root::description(), Access::Read, Vec::new())
    }

    /// Returns the subject of a use of the view `V`.
    pub(crate) fn view<V: View>(access: Access) -> Self {
        let record = <V::Record as Record>::description();
        Self::new(record, record, access, vec![SchemaView::of::<V>()])
    }
}

impl PartialEq for Subject {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.record, other.record) && self.access == other.access && self.views == other.views
    }
}

impl Eq for Subject {}

impl Hash for Subject {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (std::ptr::from_ref(self.record).addr(), self.access, &self.views).hash(state);
    }
}

impl SchemaGuard {
    pub(super) fn new(check: SchemaCheck) -> Self {
        Self { check, known: tokio::sync::Mutex::new(None), checked: Mutex::default() }
    }

    fn is_checked(&self, subject: &Subject) -> bool {
        self.check == SchemaCheck::Off || self.checked.lock().unwrap_or_else(PoisonError::into_inner).contains(subject)
    }

    fn set_checked(&self, subject: Subject) {
        self.checked.lock().unwrap_or_else(PoisonError::into_inner).insert(subject);
    }
}

impl Dataset {
    /// Returns the schema that the dataset's writers registered, or `None` if none has.
    ///
    /// The Go library and older versions of this library register none.
    ///
    /// # Errors
    /// - [`InvalidData`](crate::ErrorKind::InvalidData): the stored schema is not readable.
    /// - [`Refused`](crate::ErrorKind::Refused), [`Unavailable`](crate::ErrorKind::Unavailable): S3 refused a request, or
    ///   did not answer.
    ///
    /// # Cancel safety
    /// It changes nothing.
    ///
    /// # Requests
    /// 1 LIST, and 1 GET if a schema is registered.
    ///
    /// # Example
    /// ```
    /// # async fn example(dataset: s3store::Dataset) -> s3store::Result<()> {
    /// if let Some(schema) = dataset.schema().await? {
    ///     for column in &schema.columns {
    ///         println!("{}: {}", column.name, column.data_type);
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn schema(&self) -> Result<Option<Schema>> {
        match self.registered_schema().await? {
            Registered { content: Content::Schema(schema), .. } => Ok(Some(Arc::unwrap_or_clone(schema))),
            Registered { content: Content::Nothing, .. } => Ok(None),
            Registered { content: Content::Unreadable, number } => Err(Error::invalid_data(format!(
                "{}: written by a later version of s3store in a form that this version does not know; update s3store",
                self.keys().schema_key(number)
            ))),
        }
    }

    /// Fails, or logs a warning, if a record can't share the dataset. Registers the record if it is written and adds to the
    /// schema.
    ///
    /// Sends requests only for the first subject of all handles, and to register. The check runs in a task, so a caller that
    /// stops polling it does not keep others waiting.
    pub(crate) async fn check_schema(&self, subject: Subject) -> Result<()> {
        if self.schema_guard().is_checked(&subject) {
            return Ok(());
        }
        let dataset = self.clone();
        // Boxed, as requests are: see `BucketClient::run`.
        in_task(Box::pin(async move { dataset.check_schema_now(subject).await })).await
    }

    async fn check_schema_now(&self, subject: Subject) -> Result<()> {
        let guard = self.schema_guard();
        let mut known = guard.known.lock().await;
        if guard.is_checked(&subject) {
            return Ok(());
        }
        let schema = Schema::described(subject.root, subject.root, subject.views.clone());
        let names: Vec<_> = subject.record.columns.iter().map(|column| column.name.as_ref()).collect();
        let defaults = subject.root.columns.iter().filter(|column| column.default.is_some());
        let defaults: Vec<_> = defaults.map(|column| column.name.as_ref()).collect();
        let side = Side { schema: &schema, access: subject.access, columns: Some(&names), defaults: &defaults };
        for _ in 0..TRIES {
            let registered = match known.take() {
                Some(registered) => registered,
                None => match self.registered_schema().await {
                    Err(error) if is_forbidden(&error) => return self.unchecked(subject, &error),
                    registered => registered?,
                },
            };
            let number = known.insert(registered.clone()).number;
            let (comparison, place) = match &registered.content {
                Content::Schema(registered) => {
                    (Comparison::with_registered(registered, &side), self.keys().schema_key(number))
                }
                Content::Unreadable => {
                    let key = self.keys().schema_key(number);
                    tracing::warn!(key, "a later version of s3store wrote the dataset's schema; it is not checked");
                    guard.set_checked(subject);
                    return Ok(());
                }
                Content::Nothing if subject.access != Access::Write => {
                    guard.set_checked(subject);
                    return Ok(());
                }
                Content::Nothing => match self.recent_file(&schema).await {
                    Ok(RecentFile::Columns(columns, key)) => (Comparison::with_file(&columns, &side), key),
                    Ok(RecentFile::InPartition(partition)) => {
                        (Comparison::with_partition(&partition, &side), self.keys().ref_prefix())
                    }
                    Ok(RecentFile::None) => (Comparison::with_file(&schema.columns, &side), String::new()),
                    Err(error) if is_forbidden(&error) => return self.unchecked(subject, &error),
                    Err(error) => return Err(error),
                },
            };
            let fits = comparison.differences.is_empty();
            if !fits {
                let error = self.does_not_fit(&subject, &comparison.differences, &place);
                if guard.check == SchemaCheck::Refuse {
                    return Err(error);
                }
                tracing::warn!("{error}");
            }
            let is_news =
                !matches!(&registered.content, Content::Schema(registered) if **registered == comparison.merged);
            if fits && is_news && subject.access == Access::Write {
                // Then asks again, because another writer may have been first, or S3 ignore the condition.
                match self.register(number.saturating_add(1), &comparison.merged).await {
                    Err(error) if is_forbidden(&error) => return self.unchecked(subject, &error),
                    result => result?,
                }
                *known = None;
                continue;
            }
            for hint in &comparison.hints {
                tracing::warn!(record = %subject.root.record, place, "{hint}");
            }
            guard.set_checked(subject);
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Unavailable,
            format!("{}: other writers register schemas all the time; try again", self.keys().schema_prefix()),
        ))
    }

    /// Goes on without a check, because S3 does not permit its requests.
    fn unchecked(&self, subject: Subject, error: &Error) -> Result<()> {
        tracing::warn!(
            record = %subject.root.record,
            prefix = self.prefix(),
            %error,
            "the dataset's schema is not checked, because S3 refuses the requests; permit them, or set SchemaCheck::Off"
        );
        self.schema_guard().set_checked(subject);
        Ok(())
    }

    fn does_not_fit(&self, subject: &Subject, differences: &[String], place: &str) -> Error {
        let (record, bucket, prefix) = (&subject.root.record, self.bucket(), self.prefix());
        let verb = match subject.access {
            Access::Read | Access::LookUp => "read",
            Access::Write => "written",
        };
        Error::new(
            ErrorKind::Config,
            format!(
                "{record} can't be {verb} in the dataset {prefix:?} of bucket {bucket}, because it does not fit {place}: {}; \
                 check the record and the prefix, or see SchemaCheck",
                differences.join("; ")
            ),
        )
    }

    /// Reads the newest schema: 1 LIST, and 1 GET if there is one.
    async fn registered_schema(&self) -> Result<Registered> {
        let mut pages = self.client().list(self.keys().schema_prefix());
        let mut number = 0;
        while let Some(page) = pages.next().await? {
            let numbers = page.objects.iter().filter_map(|object| self.keys().schema_number(&object.key));
            number = numbers.max().unwrap_or(0).max(number);
        }
        if number == 0 {
            return Ok(Registered { number, content: Content::Nothing });
        }
        let key = self.keys().schema_key(number);
        let Some(body) = self.client().get(&key, 0).await? else {
            return Err(Error::new(
                ErrorKind::Vanished,
                format!("{key} was listed, but can't be read: it was deleted"),
            ));
        };
        let schema = Schema::from_json(&body).map_err(|error| error.context(&key))?;
        let content = schema.map_or(Content::Unreadable, |schema| Content::Schema(Arc::new(schema)));
        Ok(Registered { number, content })
    }

    /// Puts a schema under a number, unless another one has it already: 1 PUT.
    async fn register(&self, number: u32, schema: &Schema) -> Result<()> {
        let key = self.keys().schema_key(number);
        if self.client().put_if_absent(Put::new(&key, Bytes::from(schema.to_json()))).await? {
            tracing::info!(key, record = schema.record, "registered the schema of the dataset");
        }
        Ok(())
    }

    /// Looks for a recent file of the dataset.
    async fn recent_file(&self, schema: &Schema) -> Result<RecentFile> {
        let refs = self.recent_refs().await?;
        let names: Vec<_> = schema.partition.iter().map(|part| part.name.as_str()).collect();
        if let Some(newest) = refs.last()
            && PartitionKey::has_other_names(newest.partition.as_str(), &names)
        {
            return Ok(RecentFile::InPartition(newest.partition.as_str().to_owned()));
        }
        for found in refs.iter().rev().take(FILES) {
            if let Some((key, footer)) = self.footer_of_ref(found).await? {
                match footer.columns() {
                    Ok(columns) => return Ok(RecentFile::Columns(SchemaColumn::of_arrow(&columns), key)),
                    Err(error) => tracing::warn!(key, %error, "a file is not compared with the record"),
                }
            }
        }
        Ok(RecentFile::None)
    }

    /// Returns the key and the footer of the file that a ref names. Returns `None` if there is no such file, or if it is not
    /// readable. Sends 1 LIST, and 1 or 2 GETs.
    pub(crate) async fn footer_of_ref(&self, found: &RefName) -> Result<Option<(String, Footer)>> {
        let key = self.keys().data_key(&found.partition, &found.token, found.attempt)?;
        let page = self.client().list(key.clone()).next().await?;
        let size = page.and_then(|page| page.objects.into_iter().find(|object| object.key == key));
        let Some(size) = size.map(|object| object.size) else { return Ok(None) };
        match self.footer(&key, size, |_| {}).await {
            Ok(footer) => Ok(footer.map(|footer| (key, footer))),
            Err(error) if error.kind() == ErrorKind::InvalidData => {
                tracing::warn!(key, %error, "the columns of a file are not known");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Returns refs from a page of the newest ones that a few LISTs find, in key order.
    pub(crate) async fn recent_refs(&self) -> Result<Vec<RefName>> {
        let now = self.clock().micros();
        let prefix = self.keys().ref_prefix();
        let mut pages = self.client().list(prefix.clone());
        let Some(mut page) = pages.next().await? else { return Ok(Vec::new()) };
        if !page.is_last {
            for age in SEARCHED {
                let micros = i64::try_from(age.as_micros()).unwrap_or(i64::MAX);
                let after = self.keys().offset_at(now.saturating_sub(micros));
                match self.client().list(prefix.clone()).after(after).next().await? {
                    Some(recent) if !recent.objects.is_empty() => {
                        page = recent;
                        break;
                    }
                    _ => {}
                }
            }
        }
        Ok(page.objects.iter().filter_map(|object| self.keys().parse_ref_key(&object.key)).collect())
    }
}

fn is_forbidden(error: &Error) -> bool {
    error.kind() == ErrorKind::Refused && error.s3_error().is_some_and(|response| response.status() == 403)
}
