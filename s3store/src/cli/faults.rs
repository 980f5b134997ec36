//! Faults of a served S3, as text: `PUT *.commit 503 10%`.

use std::str::FromStr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::args::duration;
use crate::testing::{Fault, Operation, Request};

/// What a fault's text must be.
const EXPECTED: &str = "expected REQUEST KEY EFFECT [HOW OFTEN], such as 'PUT *.commit 503 10%'";

/// A fault: which requests it strikes, what it does, and how often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FaultSpec {
    requests: Requests,
    /// A key, in which `*` stands for any text.
    key: String,
    effect: Effect,
    often: Often,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Requests {
    Any,
    Put,
    Get,
    Head,
    List,
    Delete,
    /// Those of multipart uploads.
    Upload,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    /// The request is not applied, and answered with this status.
    Status(u16),
    /// The request is applied, and the connection is closed without a response.
    Lost,
    /// The request is not applied, and the connection is closed.
    Dropped,
    Delay(Duration),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Often {
    Always,
    Percent(usize),
    Times(usize),
}

impl FromStr for FaultSpec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let (request, key, effect, often) = match *words.as_slice() {
            [request, key, effect] => (request, key, effect, None),
            [request, key, effect, often] => (request, key, effect, Some(often)),
            _ => return Err(EXPECTED.to_owned()),
        };
        Ok(Self {
            requests: requests(request)?,
            key: key.to_owned(),
            effect: parse_effect(effect)?,
            often: often.map_or(Ok(Often::Always), parse_often)?,
        })
    }
}

fn requests(text: &str) -> Result<Requests, String> {
    Ok(match text.to_ascii_uppercase().as_str() {
        "*" => Requests::Any,
        "PUT" => Requests::Put,
        "GET" => Requests::Get,
        "HEAD" => Requests::Head,
        "LIST" => Requests::List,
        "DELETE" => Requests::Delete,
        "UPLOAD" => Requests::Upload,
        _ => return Err(format!("{text:?} is no kind of request; write PUT, GET, HEAD, LIST, DELETE, UPLOAD or *")),
    })
}

fn parse_effect(text: &str) -> Result<Effect, String> {
    if let Some(time) = text.strip_prefix("delay=") {
        return duration(time).map(Effect::Delay);
    }
    match (text, text.parse::<u16>()) {
        ("lost", _) => Ok(Effect::Lost),
        ("drop", _) => Ok(Effect::Dropped),
        (_, Ok(status)) if (400..600).contains(&status) => Ok(Effect::Status(status)),
        _ => Err(format!("{text:?} is no effect; write a status from 400 to 599, delay=2s, lost or drop")),
    }
}

fn parse_often(text: &str) -> Result<Often, String> {
    let number = |suffix| text.strip_suffix(suffix).and_then(|digits: &str| digits.parse::<usize>().ok());
    match (number('%'), number('x')) {
        (Some(percent @ 1..=100), _) => Ok(Often::Percent(percent)),
        (_, Some(times)) if times > 0 => Ok(Often::Times(times)),
        _ => Err(format!("{text:?} is not how often; write 10% for every tenth request, or 3x for the first three")),
    }
}

impl FaultSpec {
    /// Returns the fault for the in-process S3.
    pub(super) fn to_fault(&self) -> Fault {
        let Self { requests, key, effect, often } = self.clone();
        let matching = Fault::any().matching(move |request| requests.contain(request.operation));
        let matching = matching.matching(move |request: &Request| matches(&key, request.target().unwrap_or_default()));
        let matching = match often {
            Often::Always => matching.always(),
            Often::Times(times) => matching.times(times),
            Often::Percent(percent) => {
                // Evenly, so that a run can be repeated. It is asked last, so it counts requests that match.
                let seen = AtomicUsize::new(0);
                let strikes = move |_: &Request| {
                    let before = seen.fetch_add(1, Ordering::Relaxed);
                    (before + 1) * percent / 100 > before * percent / 100
                };
                matching.always().matching(strikes)
            }
        };
        match effect {
            Effect::Status(status) => matching.fail(status, code(status)),
            Effect::Lost => matching.drop_connection_applied(),
            Effect::Dropped => matching.drop_connection(),
            Effect::Delay(by) => matching.delay(by),
        }
    }
}

impl Requests {
    fn contain(self, operation: Operation) -> bool {
        match self {
            Self::Any => true,
            Self::Put => operation == Operation::Put,
            Self::Get => operation == Operation::Get,
            Self::Head => operation == Operation::Head,
            Self::List => operation == Operation::List,
            Self::Delete => matches!(operation, Operation::Delete | Operation::DeleteMany),
            Self::Upload => matches!(
                operation,
                Operation::CreateUpload | Operation::UploadPart | Operation::CompleteUpload | Operation::AbortUpload
            ),
        }
    }
}

/// Returns the error code of a status, as S3 sends it.
fn code(status: u16) -> &'static str {
    match status {
        403 => "AccessDenied",
        404 => "NoSuchKey",
        409 => "ConditionalRequestConflict",
        412 => "PreconditionFailed",
        501 => "NotImplemented",
        503 => "SlowDown",
        400..=499 => "InvalidRequest",
        _ => "InternalError",
    }
}

/// Returns whether a pattern matches a text. Each `*` stands for any text.
fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|start| text.strip_prefix(start)) else { return false };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(at) => rest = rest.get(at + part.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_has_requests_a_key_an_effect_and_a_rate() {
        let fault = "put *.commit 503 10%".parse::<FaultSpec>().unwrap();
        let key = "*.commit".to_owned();
        let expected =
            FaultSpec { requests: Requests::Put, key, effect: Effect::Status(503), often: Often::Percent(10) };
        assert_eq!(fault, expected);
        let fault = "* * delay=2s 3x".parse::<FaultSpec>().unwrap();
        assert_eq!((fault.effect, fault.often), (Effect::Delay(Duration::from_secs(2)), Often::Times(3)));
        for (wrong, expected) in [
            ("", "such as"),
            ("PUT 503", "such as"),
            ("POST * 503", "no kind of request"),
            ("PUT * 200", "no effect"),
            ("PUT * delay=soon", "no time span"),
            ("PUT * lost 0%", "not how often"),
            ("PUT * lost 101%", "not how often"),
            ("PUT * lost 0x", "not how often"),
        ] {
            let error = wrong.parse::<FaultSpec>().unwrap_err();
            assert!(error.contains(expected), "{wrong}: {error}");
        }
    }

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("*.commit", "a/b.commit", true),
            ("*.commit", "a/b.commit.x", false),
            ("a/*/c*", "a/b/c", true),
            ("a/*/c", "a/b/cd", false),
            ("a*ab", "ab", false),
            ("a", "a", true),
            ("a", "ab", false),
            ("*b*b", "ab", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }
}
