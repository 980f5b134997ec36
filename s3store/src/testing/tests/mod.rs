//! Tests of the server through the real SDK.

mod faults;
mod lists;
mod objects;
mod uploads;
mod wire;

use std::fmt::Debug;

use aws_sdk_s3::Client;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::put_object::{PutObjectError, PutObjectOutput};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::retry::RetryConfig;

use bytes::Bytes;
use chrono::TimeDelta;

use super::*;

const BUCKET: &str = "warehouse";

/// Returns a server with a bucket, and a client that does not retry.
fn server() -> (S3, Client) {
    let s3 = S3::with_bucket(BUCKET);
    let client = single_try(&s3);
    (s3, client)
}

fn single_try(s3: &S3) -> Client {
    Client::from_conf(s3.config().retry_config(RetryConfig::disabled()).build())
}

type PutResult = Result<PutObjectOutput, SdkError<PutObjectError, HttpResponse>>;

async fn put(client: &Client, key: &str, body: &str) -> PutResult {
    client.put_object().bucket(BUCKET).key(key).body(body.as_bytes().to_vec().into()).send().await
}

async fn put_if_absent(client: &Client, key: &str, body: &str) -> PutResult {
    let body = body.as_bytes().to_vec().into();
    client.put_object().bucket(BUCKET).key(key).if_none_match("*").body(body).send().await
}

async fn get(client: &Client, key: &str) -> String {
    let answer = client.get_object().bucket(BUCKET).key(key).send().await.unwrap();
    String::from_utf8(answer.body.collect().await.unwrap().to_vec()).unwrap()
}

async fn list(client: &Client, prefix: &str) -> Vec<String> {
    let answer = client.list_objects_v2().bucket(BUCKET).prefix(prefix).send().await.unwrap();
    answer.contents().iter().filter_map(|object| object.key().map(str::to_owned)).collect()
}

/// Returns the status and the error code of an error response.
fn refusal<T, E: ProvideErrorMetadata + Debug>(result: Result<T, SdkError<E, HttpResponse>>) -> (u16, String) {
    match result.err().expect("the request succeeded") {
        SdkError::ServiceError(error) => {
            let code = error.err().code().unwrap_or_default().to_owned();
            (error.raw().status().as_u16(), code)
        }
        other => panic!("not an error response: {other:?}"),
    }
}

fn answers(s3: &S3) -> Vec<Answer> {
    s3.requests().iter().map(|request| request.answer).collect()
}
