//! Attribute sets that are built once per dataset, so that common measurements don't allocate.

use std::sync::Arc;

use opentelemetry::KeyValue;

use super::call::Outcome;
use super::instruments::{ATTEMPTS, METHOD, OPERATION, OUTCOME};
use super::method::Method;
use super::request::{MOST_ATTEMPTS, Operation, digits};
use crate::error::ErrorType;

type Set = Box<[KeyValue]>;

/// The outcome of a HEAD request for an object that doesn't exist.
pub(super) const ABSENT: Outcome = Outcome::Error(ErrorType::NotFound);

/// The attribute sets of one dataset: its own attributes, and these with the common operations, methods and outcomes.
#[derive(Debug)]
pub(super) struct AttributeSets {
    all: Set,
    granted: Set,
    given_up: Set,
    /// For a HEAD request that found nothing at its first try, as each write with a token sends one: the set for its
    /// duration and the set for its count.
    absent: [Set; 2],
    operations: Vec<OperationSets>,
    methods: Vec<MethodSets>,
}

#[derive(Debug)]
struct OperationSets {
    any: Set,
    success: Set,
    /// Indexed by the number of tries minus 1.
    successes: Vec<Set>,
}

#[derive(Debug)]
struct MethodSets {
    any: Set,
    success: Set,
}

impl AttributeSets {
    pub(super) fn new(bucket: &str, prefix: &str, consistency: Option<&str>) -> Self {
        let text = |text: &str| Arc::<str>::from(text);
        let level = consistency.map(|level| KeyValue::new("s3store.consistency_level", text(level)));
        let dataset = [KeyValue::new("s3store.bucket", text(bucket)), KeyValue::new("s3store.prefix", text(prefix))];
        let all: Set = dataset.into_iter().chain(level).collect();
        let with = |more: &[KeyValue]| all.iter().chain(more).cloned().collect::<Set>();
        let ended = |outcome: Outcome| KeyValue::new(OUTCOME, outcome.as_str());
        let success = || ended(Outcome::Success);
        let operations = Operation::ALL.map(|operation| {
            let operation = KeyValue::new(OPERATION, operation.as_str());
            let successes = (1u32..)
                .take(MOST_ATTEMPTS)
                .map(|attempts| with(&[operation.clone(), success(), KeyValue::new(ATTEMPTS, digits(attempts))]));
            OperationSets {
                successes: successes.collect(),
                success: with(&[operation.clone(), success()]),
                any: with(&[operation]),
            }
        });
        let methods = Method::ALL.iter().map(|method| {
            let method = KeyValue::new(METHOD, method.as_str());
            MethodSets { success: with(&[method.clone(), success()]), any: with(&[method]) }
        });
        let absent = [KeyValue::new(OPERATION, Operation::Head.as_str())].into_iter().chain(ABSENT.attributes());
        let absent: Vec<KeyValue> = absent.collect();
        let counted: Vec<KeyValue> = absent.iter().cloned().chain([KeyValue::new(ATTEMPTS, digits(1))]).collect();
        let absent = [with(&absent), with(&counted)];
        let (granted, given_up) = (with(&[success()]), with(&[ended(Outcome::Canceled)]));
        let methods = methods.collect();
        Self { granted, given_up, absent, operations: operations.into(), methods, all }
    }

    /// Returns the attributes of the dataset.
    pub(super) fn all(&self) -> &[KeyValue] {
        &self.all
    }

    /// Returns the set for a granted permit.
    pub(super) fn granted(&self) -> &[KeyValue] {
        &self.granted
    }

    /// Returns the set for a canceled wait for a permit.
    pub(super) fn given_up(&self) -> &[KeyValue] {
        &self.given_up
    }

    pub(super) fn operation(&self, operation: Operation) -> &[KeyValue] {
        &self.operations[operation as usize].any
    }

    pub(super) fn operation_success(&self, operation: Operation) -> &[KeyValue] {
        &self.operations[operation as usize].success
    }

    /// Returns the set for a request that succeeded after `attempts` tries.
    pub(super) fn request_success(&self, operation: Operation, attempts: u32) -> &[KeyValue] {
        let index = (attempts as usize).clamp(1, MOST_ATTEMPTS) - 1;
        &self.operations[operation as usize].successes[index]
    }

    /// Returns the sets for a HEAD request that found nothing at its first try: for its duration and for its count.
    pub(super) fn absent(&self) -> [&[KeyValue]; 2] {
        self.absent.each_ref().map(|set| &**set)
    }

    pub(super) fn method(&self, method: Method) -> &[KeyValue] {
        &self.methods[method as usize].any
    }

    pub(super) fn method_success(&self, method: Method) -> &[KeyValue] {
        &self.methods[method as usize].success
    }

    /// Builds a set for a rare measurement.
    pub(super) fn with(&self, more: impl IntoIterator<Item = KeyValue>) -> Vec<KeyValue> {
        self.all.iter().cloned().chain(more).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_operation_and_method_has_its_own_set() {
        let sets = AttributeSets::new("b", "p", None);
        let value = |set: &[KeyValue], name: &str| {
            let found = set.iter().find(|attribute| attribute.key.as_str() == name);
            found.map(|attribute| attribute.value.to_string())
        };
        for operation in Operation::ALL {
            let name = Some(operation.as_str().to_owned());
            assert_eq!(value(sets.operation(operation), OPERATION), name);
            for attempts in 1..=5 {
                let set = sets.request_success(operation, attempts);
                assert_eq!((value(set, OPERATION), value(set, ATTEMPTS)), (name.clone(), Some(attempts.to_string())));
            }
        }
        for method in Method::ALL {
            let name = Some(method.as_str().to_owned());
            assert_eq!(value(sets.method(*method), METHOD), name);
            assert_eq!(value(sets.method_success(*method), METHOD), name);
        }
    }
}
