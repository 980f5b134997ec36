//! Comparing an object with the body that was sent: by the checksum that the server confirms, or by its ETag.
//!
//! An ETag is the MD5 of the body only on some servers, and there not for every object. So a different ETag does not prove
//! that a body was altered. The object itself does.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use aws_sdk_s3::types::ServerSideEncryption;
use aws_smithy_runtime_api::http::Headers;

/// The number of objects with an ETag that is not their MD5, none with one that is, after which ETags say nothing.
const ENOUGH: usize = 2;

/// The result of comparing the checksum of a PUT with that of its response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Confirmation {
    /// The request or the response has no checksum.
    #[default]
    Missing,
    /// The server computed the same checksum.
    Same,
    /// The server computed another checksum.
    Different,
}

/// Compares the checksums of a request with those of its response.
pub(super) fn confirmation(sent: &[(String, String)], response: &Headers) -> Confirmation {
    let mut result = Confirmation::Missing;
    for (name, value) in sent {
        match response.get(name) {
            Some(confirmed) if confirmed == value => result = Confirmation::Same,
            Some(_) => return Confirmation::Different,
            None => {}
        }
    }
    result
}

/// Returns the checksum headers of a request.
pub(super) fn checksums(request: &Headers) -> Vec<(String, String)> {
    const ALGORITHMS: [&str; 5] = ["crc32", "crc32c", "crc64nvme", "sha1", "sha256"];
    let header = |algorithm| {
        let name = format!("x-amz-checksum-{algorithm}");
        let value = request.get(&name)?.to_owned();
        Some((name, value))
    };
    ALGORITHMS.into_iter().filter_map(header).collect()
}

/// Returns the MD5 in an ETag, if it has the form of one and the object's encryption allows it.
pub(super) fn md5_in<'a>(
    etag: Option<&'a str>,
    encryption: Option<&ServerSideEncryption>,
    customer_algorithm: Option<&str>,
) -> Option<&'a str> {
    let is_comparable = customer_algorithm.is_none() && matches!(encryption, None | Some(ServerSideEncryption::Aes256));
    let etag = etag?.trim_matches('"');
    let is_md5 = etag.len() == 32 && etag.bytes().all(|byte| byte.is_ascii_hexdigit());
    (is_comparable && is_md5).then_some(etag)
}

/// The observed meaning of the server's ETags.
#[derive(Debug, Default)]
pub(super) struct ETagMonitor {
    /// The number of objects whose ETag is not their MD5, since the last one whose ETag is.
    mismatches: AtomicUsize,
    warned: AtomicBool,
}

impl ETagMonitor {
    /// Records whether the ETag of an object is its MD5.
    pub(super) fn observe(&self, is_md5: bool) {
        if is_md5 {
            self.mismatches.store(0, Ordering::Relaxed);
        } else {
            self.mismatches.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Records an object that is as it was sent, although its ETag is not its MD5.
    pub(super) fn observe_proof(&self) {
        self.mismatches.fetch_max(ENOUGH, Ordering::Relaxed);
        self.warn();
    }

    /// Returns `true` if an ETag that is not the MD5 says nothing about the object.
    pub(super) fn is_meaningless(&self) -> bool {
        let meaningless = self.mismatches.load(Ordering::Relaxed) >= ENOUGH;
        if meaningless {
            self.warn();
        }
        meaningless
    }

    fn warn(&self) {
        if !self.warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "the ETags of this S3 server are not the MD5s of objects, and it confirms no checksums: a body that is \
                 altered on its way to the server is not noticed"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_checksums_that_were_sent_are_compared() {
        let headers = |pairs: &[(&'static str, &'static str)]| {
            let mut headers = Headers::new();
            for (name, value) in pairs {
                headers.insert(*name, *value);
            }
            headers
        };
        let request = headers(&[("x-amz-checksum-crc32", "a"), ("x-amz-checksum-algorithm", "CRC32")]);
        let sent = checksums(&request);
        assert_eq!(sent, [("x-amz-checksum-crc32".to_owned(), "a".to_owned())]);
        for (response, expected) in [
            (headers(&[]), Confirmation::Missing),
            (headers(&[("x-amz-checksum-crc32", "a")]), Confirmation::Same),
            (headers(&[("x-amz-checksum-crc32", "b")]), Confirmation::Different),
            (headers(&[("x-amz-checksum-crc64nvme", "b")]), Confirmation::Missing),
        ] {
            assert_eq!(confirmation(&sent, &response), expected);
            assert_eq!(confirmation(&[], &response), Confirmation::Missing);
        }
    }

    #[test]
    fn an_etag_may_be_an_md5() {
        let md5 = "\"d41d8cd98f00b204e9800998ecf8427e\"";
        let bare = Some(md5.trim_matches('"'));
        assert_eq!(md5_in(Some(md5), None, None), bare);
        assert_eq!(md5_in(Some(md5), Some(&ServerSideEncryption::Aes256), None), bare);
        assert_eq!(md5_in(Some(md5), Some(&ServerSideEncryption::AwsKms), None), None);
        assert_eq!(md5_in(Some(md5), None, Some("AES256")), None);
        for etag in ["", "\"7af1\"", "W/\"d41d8cd98f00b204e9800998ecf8427e\"", "\"d41d8cd98f00b204e9800998ecf8427e-3\""]
        {
            assert_eq!(md5_in(Some(etag), None, None), None, "{etag}");
        }
        assert_eq!(md5_in(None, None, None), None);
    }

    #[test]
    fn one_matching_etag_gives_them_meaning_again() {
        let etags = ETagMonitor::default();
        etags.observe(false);
        assert!(!etags.is_meaningless());
        etags.observe(false);
        assert!(etags.is_meaningless());
        etags.observe(true);
        assert!(!etags.is_meaningless());
        etags.observe_proof();
        assert!(etags.is_meaningless());
    }
}
