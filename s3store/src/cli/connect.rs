//! The way to S3, and to a dataset.

use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::{BehaviorVersion, Region};
use aws_smithy_http_client::Builder as HttpClientBuilder;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;

use super::Outcome;
use super::args::{Connection, Location, TableOptions};
use crate::dataset::Dataset;
use crate::error::Result;
use crate::table::Table;

/// Returns a client with the configuration that AWS tools have.
pub(super) async fn client(connection: &Connection) -> aws_sdk_s3::Client {
    let https = HttpClientBuilder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
    let mut loader = aws_config::defaults(BehaviorVersion::latest()).http_client(https.clone());
    if let Some(profile) = &connection.profile {
        // A profile that is asked for goes before the credentials in the environment, as in other AWS tools.
        let config = ProviderConfig::default().with_http_client(https);
        let credentials = ProfileFileCredentialsProvider::builder().configure(&config).profile_name(profile).build();
        loader = loader.profile_name(profile).credentials_provider(credentials);
    }
    if let Some(region) = &connection.region {
        loader = loader.region(Region::new(region.clone()));
    }
    if let Some(url) = &connection.endpoint_url {
        loader = loader.endpoint_url(url);
    }
    let shared = loader.load().await;
    let mut config = aws_sdk_s3::config::Builder::from(&shared);
    if shared.region().is_none() {
        config = config.region(Region::new("us-east-1"));
    }
    // Other servers rarely have a name for each bucket.
    if shared.endpoint_url().is_some() || std::env::var_os("AWS_ENDPOINT_URL_S3").is_some() {
        config = config.force_path_style(true);
    }
    aws_sdk_s3::Client::from_conf(config.build())
}

/// Opens a dataset.
pub(super) async fn open(connection: &Connection, location: &Location) -> Outcome<Dataset> {
    let client = client(connection).await;
    Ok(Dataset::options().open(client, &location.bucket, &location.prefix).await?)
}

/// Finds the schema of a dataset's records.
pub(super) async fn table(dataset: &Dataset, options: &TableOptions) -> Result<Table> {
    let mut table = dataset.table().sample(options.sample).without_columns(options.without.iter().cloned());
    if let Some(version) = &options.version_column {
        table = table.key(options.entity.iter().cloned(), version.clone());
    }
    if options.no_key {
        table = table.without_key();
    }
    if let Some(deleted) = &options.deleted {
        table = table.deleted(deleted.clone());
    }
    for (part, column) in &options.partition_is {
        table = table.partition_is(part.clone(), column.clone());
    }
    table.await
}
