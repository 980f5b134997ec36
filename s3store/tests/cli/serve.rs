//! The served S3: its folder and its faults.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use s3store::testing::S3;
use serde_json::Value;

use crate::{LOCATION, World, text};

/// A served S3. Dropping it kills the process.
struct Server {
    process: Child,
    url: String,
    /// Kept open, because the server ends if it can't print.
    _printed: BufReader<ChildStdout>,
}

impl Server {
    fn start(arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_s3store"));
        command.args(["serve", "--port", "0"]).args(arguments).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn().unwrap();
        let mut printed = BufReader::new(process.stdout.take().unwrap());
        let mut first = String::new();
        printed.read_line(&mut first).unwrap();
        let url = first.strip_prefix("export AWS_ENDPOINT_URL=").unwrap().trim_end().to_owned();
        Self { process, url, _printed: printed }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

fn files(folder: &Path) -> usize {
    std::fs::read_dir(folder).map_or(0, Iterator::count)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_has_its_objects_again() {
    let folder = tempfile::tempdir().unwrap();
    let long = format!("{}/é\u{1f600} %2F:*?\"<>|\\", "k".repeat(900));
    let keys = ["a", "a/b", "a/b/", "a//b", "../x", "con", "A", &long];
    let body = vec![7_u8; 6 << 20];
    {
        let s3 = S3::in_folder(folder.path()).unwrap();
        s3.create_bucket("warehouse");
        s3.create_bucket("empty");
        let client = s3.client();
        for key in keys {
            let put = client.put_object().bucket("warehouse").key(key).body(key.as_bytes().to_vec().into());
            put.metadata("name", key.len().to_string()).content_type("text/x").send().await.unwrap();
        }
        client.delete_object().bucket("warehouse").key("con").send().await.unwrap();
        client.put_object().bucket("warehouse").key("a").body(b"second".to_vec().into()).send().await.unwrap();
        let upload = client.create_multipart_upload().bucket("warehouse").key("parts").send().await.unwrap();
        let id = upload.upload_id().unwrap();
        let mut parts = aws_sdk_s3::types::CompletedMultipartUpload::builder();
        for number in 1..3 {
            let part = client.upload_part().bucket("warehouse").key("parts").upload_id(id).part_number(number);
            let part = part.body(body.clone().into()).send().await.unwrap();
            let part = aws_sdk_s3::types::CompletedPart::builder().part_number(number).set_e_tag(part.e_tag);
            parts = parts.parts(part.build());
        }
        let complete = client.complete_multipart_upload().bucket("warehouse").key("parts").upload_id(id);
        complete.multipart_upload(parts.build()).send().await.unwrap();
        // What a killed process leaves behind.
        std::fs::write(folder.path().join("warehouse/unfinished-x"), "half").unwrap();

        let again = S3::in_folder(folder.path()).unwrap();
        assert_eq!(again.keys("warehouse"), s3.keys("warehouse"));
        for key in s3.keys("warehouse") {
            assert!(again.object("warehouse", &key) == s3.object("warehouse", &key), "{key}");
        }
        assert_eq!(files(&folder.path().join("warehouse")), keys.len());
    }
    let again = S3::in_folder(folder.path()).unwrap();
    assert!(again.keys("empty").is_empty() && !again.keys("warehouse").contains(&"con".to_owned()));
    assert_eq!(again.object("warehouse", "a").unwrap().body, "second");
    let parts = again.object("warehouse", "parts").unwrap();
    assert!(parts.body == [body.clone(), body].concat() && parts.etag.ends_with("-2"));
    assert_eq!(again.object("warehouse", &long).unwrap().metadata["name"], long.len().to_string());
    // A damaged file is an error, not another object.
    let file = std::fs::read_dir(folder.path().join("warehouse")).unwrap().next().unwrap().unwrap().path();
    let whole = std::fs::read(&file).unwrap();
    std::fs::write(&file, &whole[..whole.len() - 1]).unwrap();
    let error = S3::in_folder(folder.path()).unwrap_err();
    assert!(error.to_string().contains("is not the file of an object"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_has_what_it_confirmed() {
    let world = World::new().await;
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().to_str().unwrap();
    let copy =
        |url: &str| world.command(&["copy", LOCATION, "s3://warehouse/copy", "--to-endpoint-url", url, "--json"]);
    let (mut least, mut last) = (0, Value::Null);
    for round in 0..6 {
        let server = Server::start(&["--dir", dir, "--latency", "2ms"]);
        let mut copying = copy(&server.url);
        let mut copying = copying.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        // Kills it amid the requests, after a few more objects each time.
        let until = least + 6;
        while files(&folder.path().join("warehouse")) < until && copying.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        drop(server);
        copying.kill().unwrap();
        copying.wait().unwrap();
        let kept = S3::in_folder(folder.path()).unwrap().keys("warehouse").len();
        assert!(kept >= least, "round {round}: {kept} of {least} objects");
        least = kept;
    }
    let server = Server::start(&["--dir", dir]);
    for new_commits in [None, Some(0)] {
        let output = copy(&server.url).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        last = serde_json::from_str(&text(&output.stdout)).unwrap();
        assert!(new_commits.is_none_or(|commits| last["new_commits"] == commits), "{last}");
    }
    assert_eq!((&last["commits"], &last["verified"]), (&8.into(), &true.into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_served_s3_has_the_faults_that_were_asked_for() {
    let world = World::new().await;
    let server = Server::start(&["--fault", "PUT *.commit 403 1x", "--fault", "PUT */_ref/* 503 50%"]);
    let copy = ["copy", LOCATION, "s3://warehouse/copy", "--to-endpoint-url", &server.url];
    let errors = world.fails(&copy).await;
    assert!(errors.contains("put copy/data/") && errors.contains("403"), "{errors}");
    assert!(world.ok(&copy).await.contains(": 8 commits, 8 refs"));
    let wrong = world.run(&["serve", "--fault", "PUT * 200"]).await;
    assert!(wrong.status.code() == Some(2) && text(&wrong.stderr).contains("no effect"), "{wrong:?}");
}
