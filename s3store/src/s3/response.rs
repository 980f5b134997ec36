//! Reads what the SDK leaves out of a response: signs that it is not S3's, and the details of error documents.

use std::time::Duration;

use aws_smithy_runtime_api::http::Headers;
use chrono::{DateTime, NaiveDateTime};

/// The largest number of characters of a response that a message quotes.
const LONGEST_QUOTE: usize = 80;

/// The number of bytes at the beginning of a body from which a quote is made.
pub(super) const LONGEST_BEGINNING: usize = LONGEST_QUOTE * 8;

/// Returns `true` if the headers belong to a web page, as proxies and login portals send them. S3 has headers of its own in
/// every response.
pub(super) fn is_web_page(headers: &Headers) -> bool {
    let kind = headers.get("content-type").unwrap_or_default().trim_start().to_ascii_lowercase();
    kind.starts_with("text/html") && !headers.iter().any(|(name, _)| name.starts_with("x-amz"))
}

/// Returns `true` if the body begins as HTML or XML does. No object of a dataset begins so.
pub(super) fn is_markup(body: &[u8]) -> bool {
    body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body).trim_ascii_start().starts_with(b"<")
}

/// Returns the beginning of a body, for a quote.
pub(super) fn beginning(body: &[u8]) -> &[u8] {
    body.get(..LONGEST_BEGINNING).unwrap_or(body)
}

/// Describes a body by its beginning. An error document of S3 can contain security tokens, so only its code is quoted.
pub(super) fn quote(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(beginning(body));
    let words: Vec<&str> =
        text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()).collect();
    let text = words.join(" ");
    if text.is_empty() {
        return "an empty body".to_owned();
    }
    if text.contains("<Error") {
        return element(body, "Code")
            .filter(|code| code.bytes().all(|byte| byte.is_ascii_alphanumeric()))
            .map_or_else(|| "an incomplete error document".to_owned(), |code| format!("an error document ({code})"));
    }
    let quoted: String = text.chars().take(LONGEST_QUOTE).collect();
    format!("a body that begins with {quoted:?}")
}

/// Describes a response by the beginning of its body, or by its headers if it has none.
pub(super) fn describe(headers: &Headers, body: &[u8], is_head: bool) -> String {
    let mut text = if is_head { "no body".to_owned() } else { quote(body) };
    if let Some(host) = bucket_endpoint(headers, body) {
        text = format!("{text}, and redirects to {host}");
    }
    if !body.is_empty() {
        return text;
    }
    let named = ["content-type", "etag", "last-modified"].map(|name| match headers.get(name) {
        Some(value) => format!("{name} {:?}", value.chars().take(LONGEST_QUOTE).collect::<String>()),
        None => format!("no {name}"),
    });
    format!("{text}, with {}", named.join(", "))
}

/// Returns the text of an element near the beginning of an error document.
fn element(document: &[u8], name: &str) -> Option<String> {
    let text = String::from_utf8_lossy(document.get(..4_096).unwrap_or(document));
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    let (value, _) = rest.split_once(&format!("</{name}>"))?;
    Some(value.trim().to_owned()).filter(|value| !value.is_empty())
}

/// Returns the region that an error response gives for the bucket.
pub(super) fn bucket_region(headers: &Headers, document: &[u8]) -> Option<String> {
    let expected = || {
        let message = element(document, "Message")?;
        let (_, rest) = message.split_once("expecting ")?;
        let name = rest.trim_start_matches("&apos;").trim_start_matches(['\'', '"']);
        name.split(|c: char| c != '-' && !c.is_ascii_alphanumeric()).next().map(str::to_owned)
    };
    let region = headers
        .get("x-amz-bucket-region")
        .map(str::to_owned)
        .or_else(|| element(document, "Region"))
        .or_else(|| region_of_endpoint(&bucket_endpoint(headers, document)?))
        .or_else(expected);
    let is_name = |name: &String| {
        !name.is_empty() && name.len() <= 40 && name.bytes().all(|byte| byte == b'-' || byte.is_ascii_alphanumeric())
    };
    region.filter(is_name)
}

/// Returns the host at which a redirect says that the bucket is.
pub(super) fn bucket_endpoint(headers: &Headers, document: &[u8]) -> Option<String> {
    let location = || {
        let location = headers.get("location")?;
        let host = location.split_once("://").map_or(location, |(_, rest)| rest);
        host.split(['/', '?', '#']).next().map(str::to_owned)
    };
    let is_host = |host: &String| {
        !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.:_[]".contains(&byte))
    };
    element(document, "Endpoint").or_else(location).filter(is_host)
}

/// Returns the region in a host of AWS, such as `bucket.s3.eu-west-1.amazonaws.com`.
fn region_of_endpoint(host: &str) -> Option<String> {
    let (host, _) = host.rsplit_once(".amazonaws.com")?;
    let last = host.rsplit('.').next()?;
    let region = last.strip_prefix("s3-").unwrap_or(last);
    (region.contains('-') && !region.starts_with("external")).then(|| region.to_owned())
}

/// Returns how far the time of a request was ahead of the server's, in microseconds, as an error document says.
pub(super) fn clock_difference(document: &[u8]) -> Option<i64> {
    let [request, server] = ["RequestTime", "ServerTime"].map(|name| element(document, name).as_deref().and_then(time));
    Some(request?.saturating_sub(server?))
}

/// Returns the server's time in an error document, in microseconds since 1970.
pub(super) fn server_time(document: &[u8]) -> Option<i64> {
    element(document, "ServerTime").as_deref().and_then(time)
}

/// Returns the largest difference of the clocks that the server accepts, as an error document says.
pub(super) fn largest_difference(document: &[u8]) -> Option<Duration> {
    element(document, "MaxAllowedSkewMilliseconds")?.parse().ok().map(Duration::from_millis)
}

/// Parses a time as error documents have it, in microseconds since 1970.
fn time(text: &str) -> Option<i64> {
    let basic = || NaiveDateTime::parse_from_str(text, "%Y%m%dT%H%M%SZ").ok().map(|time| time.and_utc());
    let time = DateTime::parse_from_rfc3339(text).or_else(|_| DateTime::parse_from_rfc2822(text));
    time.ok().map(|time| time.to_utc()).or_else(basic).map(|time| time.timestamp_micros())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> Headers {
        let mut headers = Headers::new();
        for (name, value) in pairs {
            headers.insert(*name, *value);
        }
        headers
    }

    #[test]
    fn web_pages_have_no_headers_of_s3() {
        assert!(is_web_page(&headers(&[("content-type", "text/html")])));
        assert!(is_web_page(&headers(&[("content-type", "Text/HTML; charset=utf-8"), ("etag", "\"1\"")])));
        assert!(!is_web_page(&headers(&[("content-type", "text/html"), ("x-amz-request-id", "1")])));
        assert!(!is_web_page(&headers(&[("content-type", "application/xml")])));
        assert!(!is_web_page(&headers(&[])));
    }

    #[test]
    fn quotes_are_short_and_have_no_tokens() {
        assert_eq!(quote(b""), "an empty body");
        assert_eq!(quote(b" \r\n"), "an empty body");
        assert_eq!(quote(b"<html>\n <b>"), "a body that begins with \"<html> <b>\"");
        assert!(quote(&[b'x'; 10_000]).len() < 120);
        assert!(quote(&[0xFF; 10_000]).len() < 400);
        assert_eq!(quote(b"<Error><Token-0>hunter2"), "an incomplete error document");
        assert_eq!(quote(b"<Error><Code>hunter 2</Code>"), "an incomplete error document");
        let document = b"<?xml version=\"1.0\"?><Error><Code>SlowDown</Code><Token>hunter2</Token></Error>";
        assert_eq!(quote(document), "an error document (SlowDown)");
    }

    #[test]
    fn finds_the_buckets_region() {
        let none = headers(&[]);
        for (headers, document, region) in [
            (headers(&[("x-amz-bucket-region", "eu-west-1")]), "", Some("eu-west-1")),
            (none.clone(), "<Error><Region>eu-west-1</Region></Error>", Some("eu-west-1")),
            (none.clone(), "<Endpoint>b.s3.eu-west-1.amazonaws.com</Endpoint>", Some("eu-west-1")),
            (none.clone(), "<Endpoint>b.s3-eu-west-1.amazonaws.com</Endpoint>", Some("eu-west-1")),
            (none.clone(), "<Endpoint>b.s3.cn-north-1.amazonaws.com.cn</Endpoint>", Some("cn-north-1")),
            (none.clone(), "<Endpoint>my-bucket.s3.amazonaws.com</Endpoint>", None),
            (headers(&[("location", "https://b.s3.eu-west-1.amazonaws.com/key?x=1")]), "", Some("eu-west-1")),
            (headers(&[("location", "http://login.example/?token=hunter2")]), "", None),
            (
                none.clone(),
                "<Message>the region 'us-east-1' is wrong; expecting 'eu-west-1'</Message>",
                Some("eu-west-1"),
            ),
            (none.clone(), "<Message>is wrong; expecting &apos;eu-west-1&apos;</Message>", Some("eu-west-1")),
            (headers(&[("x-amz-bucket-region", "a b")]), "", None),
            (none, "<Region></Region>", None),
        ] {
            assert_eq!(bucket_region(&headers, document.as_bytes()).as_deref(), region, "{document}");
        }
        let login = headers(&[("location", "http://login.example:8080/?token=hunter2")]);
        assert_eq!(bucket_endpoint(&login, b"").as_deref(), Some("login.example:8080"));
    }

    #[test]
    fn finds_the_difference_of_the_clocks() {
        let document = |request: &str, server: &str| {
            format!("<Error><RequestTime>{request}</RequestTime><ServerTime>{server}</ServerTime></Error>").into_bytes()
        };
        let server = "2026-03-17T12:00:00Z";
        for request in ["20260317T122003Z", "2026-03-17T12:20:03Z", "Tue, 17 Mar 2026 12:20:03 GMT"] {
            assert_eq!(clock_difference(&document(request, server)), Some(1_203_000_000), "{request}");
        }
        assert_eq!(clock_difference(&document("20260317T114000Z", "2026-03-17T12:00:00.000Z")), Some(-1_200_000_000));
        assert_eq!(clock_difference(&document("yesterday", server)), None);
        let limit = b"<MaxAllowedSkewMilliseconds>900000</MaxAllowedSkewMilliseconds>";
        assert_eq!(largest_difference(limit), Some(Duration::from_secs(900)));
    }
}
