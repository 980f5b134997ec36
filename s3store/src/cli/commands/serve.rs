//! Serves the in-process S3 on a socket.

use crate::cli::args::Serve;
use crate::cli::{Done, Failure, Outcome};
use crate::testing::{ACCESS_KEY, Fault, S3, SECRET_KEY};

/// Serves until the process is stopped.
pub(super) async fn serve(serve: Serve) -> Outcome<Done> {
    let s3 = match &serve.dir {
        Some(dir) => S3::in_folder(dir).map_err(|error| Failure::new(format!("serve {}: {error}", dir.display())))?,
        None => S3::new(),
    };
    serve.buckets.iter().for_each(|bucket| s3.create_bucket(bucket));
    // The first fault that strikes a request counts.
    serve.faults.iter().for_each(|fault| s3.inject(fault.to_fault()));
    if let Some(latency) = serve.latency {
        s3.inject(Fault::any().always().delay(latency));
    }
    let listener = s3.listen(("127.0.0.1", serve.port)).await?;
    say!("export AWS_ENDPOINT_URL={}", listener.endpoint());
    say!("export AWS_ACCESS_KEY_ID={ACCESS_KEY} AWS_SECRET_ACCESS_KEY={SECRET_KEY} AWS_REGION=us-east-1");
    let end = if serve.dir.is_some() { "kept" } else { "lost" };
    eprintln!("serving the buckets {}; everything is {end} when this ends", serve.buckets.join(", "));
    std::future::pending::<()>().await;
    Ok(Done::Well)
}
