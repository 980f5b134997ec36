//! Request bodies and their checksums.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use futures_util::TryStreamExt as _;
use md5::{Digest as _, Md5};
use s3s::checksum::ChecksumHasher;
use s3s::crypto::{Checksum as _, Crc32, Crc32c, Crc64Nvme, Sha1, Sha256};
use s3s::dto::{Checksum, ChecksumType, StreamingBlob};
use s3s::{S3Result, TrailingHeaders, s3_error};

/// Reads a body to its end. Its trailers can be read only afterwards.
pub(super) async fn read(body: Option<StreamingBlob>) -> S3Result<Bytes> {
    let Some(mut body) = body else { return Ok(Bytes::new()) };
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    // Signed chunks and signed bodies are verified while they are read.
    while let Some(chunk) = body.try_next().await.map_err(|error| s3_error!(IncompleteBody, "{error}"))? {
        if first.is_empty() && rest.is_empty() {
            first = chunk;
        } else {
            rest.extend_from_slice(&std::mem::take(&mut first));
            rest.extend_from_slice(&chunk);
        }
    }
    Ok(if rest.is_empty() { first } else { rest.freeze() })
}

/// Adds the checksums sent as trailers after the body.
pub(super) fn with_trailers(mut declared: Checksum, trailers: Option<&TrailingHeaders>) -> Checksum {
    let read = |name: &str| trailers?.read(|headers| Some(headers.get(name)?.to_str().ok()?.to_owned())).flatten();
    declared.checksum_crc32 = declared.checksum_crc32.or_else(|| read("x-amz-checksum-crc32"));
    declared.checksum_crc32c = declared.checksum_crc32c.or_else(|| read("x-amz-checksum-crc32c"));
    declared.checksum_crc64nvme = declared.checksum_crc64nvme.or_else(|| read("x-amz-checksum-crc64nvme"));
    declared.checksum_sha1 = declared.checksum_sha1.or_else(|| read("x-amz-checksum-sha1"));
    declared.checksum_sha256 = declared.checksum_sha256.or_else(|| read("x-amz-checksum-sha256"));
    declared
}

/// Verifies a body against the checksums that the client declared, and returns these.
pub(super) fn verify(body: &[u8], content_md5: Option<&str>, declared: Checksum) -> S3Result<Checksum> {
    if let Some(content_md5) = content_md5 {
        let expected = STANDARD.decode(content_md5).ok().filter(|sum| sum.len() == 16);
        let expected =
            expected.ok_or_else(|| s3_error!(InvalidDigest, "The Content-MD5 you specified is not valid."))?;
        if expected != Md5::digest(body).as_slice() {
            return Err(s3_error!(BadDigest, "The Content-MD5 you specified did not match what we received."));
        }
    }
    let mut hasher = ChecksumHasher {
        crc32: declared.checksum_crc32.as_ref().map(|_| Crc32::new()),
        crc32c: declared.checksum_crc32c.as_ref().map(|_| Crc32c::new()),
        sha1: declared.checksum_sha1.as_ref().map(|_| Sha1::new()),
        sha256: declared.checksum_sha256.as_ref().map(|_| Sha256::new()),
        crc64nvme: declared.checksum_crc64nvme.as_ref().map(|_| Crc64Nvme::new()),
    };
    hasher.update(body);
    let computed = hasher.finalize();
    let pairs = [
        ("CRC32", &declared.checksum_crc32, &computed.checksum_crc32),
        ("CRC32C", &declared.checksum_crc32c, &computed.checksum_crc32c),
        ("CRC64NVME", &declared.checksum_crc64nvme, &computed.checksum_crc64nvme),
        ("SHA1", &declared.checksum_sha1, &computed.checksum_sha1),
        ("SHA256", &declared.checksum_sha256, &computed.checksum_sha256),
    ];
    match pairs.iter().find(|(_, declared, computed)| declared != computed) {
        Some((name, ..)) => {
            Err(s3_error!(BadDigest, "The {name} you specified did not match the calculated checksum."))
        }
        None => Ok(Checksum { checksum_type: Some(ChecksumType::from_static(ChecksumType::FULL_OBJECT)), ..declared }),
    }
}
