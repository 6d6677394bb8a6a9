//! Giving blobs and manifests to a registry.
//!
//! # Guarantees
//! What is there already is not sent. A push goes to the repository that is named, never to its mirrors. Every digest is
//! held by the registry, and compared with its answer.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue, LOCATION};
use http::{Method, Response, StatusCode, Uri};
use hyper::body::Incoming;

use super::Registry;
use super::auth::Purpose;
use super::counts::Asked;
use super::digest::Digest;
use super::error::{RegistryError, Why};
use super::manifest::Descriptor;
use super::reference::{Reference, Repository};
use super::transport::{Ask, Content, relative_to};

const BYTES: HeaderValue = HeaderValue::from_static("application/octet-stream");

impl Registry {
    /// Whether a repository has a blob.
    pub async fn has_blob(
        &self,
        repository: &Repository,
        digest: &Digest,
    ) -> Result<bool, RegistryError> {
        let path = format!("/v2/{}/blobs/{digest}", repository.path());
        let asked = self
            .0
            .patiently(repository, || async {
                let mut ask = Ask::get(self.uri(repository, &path).await?);
                ask.method = Method::HEAD;
                self.0.ask(repository, Purpose::Push, &ask).await
            })
            .await;
        match asked {
            Ok(_) => Ok(true),
            Err(Why::NotFound) => Ok(false),
            Err(why) => Err(RegistryError::new(
                "looking for the blob",
                format!("{repository}@{digest}"),
                why,
            )),
        }
    }

    /// Gives a blob to a repository, unless it has it. True if it was sent.
    pub async fn push_blob(
        &self,
        repository: &Repository,
        blob: &Descriptor,
        content: &Content,
    ) -> Result<bool, RegistryError> {
        if self.has_blob(repository, &blob.digest).await? {
            return Ok(false);
        }
        let on = format!("{repository}@{}", blob.digest);
        self.0
            .patiently(&on, || self.upload(repository, blob, content))
            .await
            .map(|()| true)
            .map_err(|why| RegistryError::new("pushing the blob", &on, why))
    }

    /// Lets a repository have a blob of another one of the same registry, without sending it. False if the registry does
    /// not do that.
    pub async fn mount_blob(
        &self,
        repository: &Repository,
        digest: &Digest,
        from: &Repository,
    ) -> Result<bool, RegistryError> {
        let path = format!(
            "/v2/{}/blobs/uploads/?mount={digest}&from={}",
            repository.path(),
            from.path()
        );
        let on = format!("{repository}@{digest}");
        self.0
            .patiently(&on, || async {
                let response = self.start(repository, &path).await?;
                Ok(response.status() == StatusCode::CREATED)
            })
            .await
            .map_err(|why| RegistryError::new("mounting the blob", &on, why))
    }

    /// Gives a manifest to a repository, under a tag or its digest. All that it names has to be there.
    pub async fn push_manifest(
        &self,
        image: &Reference,
        media_type: &str,
        bytes: &Bytes,
    ) -> Result<Digest, RegistryError> {
        let path = format!("/v2/{}/manifests/{}", image.repository.path(), image.at);
        self.0
            .patiently(image, || async {
                let mut ask = Ask::get(self.uri(&image.repository, &path).await?);
                ask.method = Method::PUT;
                ask.content = Content::Bytes(bytes.clone());
                let media_type = HeaderValue::from_str(media_type)
                    .map_err(|error| Why::NotUnderstood(error.to_string()))?;
                ask.headers.insert(CONTENT_TYPE, media_type);
                self.0.counts.asked(Asked::Push);
                let response = self.0.ask(&image.repository, Purpose::Push, &ask).await?;
                let named = Digest::of(bytes);
                let told = response.headers().get("docker-content-digest");
                let told = told.and_then(|told| Digest::parse(told.to_str().ok()?).ok());
                match told.filter(|told| *told != named) {
                    Some(came) => Err(Why::WrongDigest { named, came }),
                    None => Ok(named),
                }
            })
            .await
            .map_err(|why| RegistryError::new("pushing the manifest", image, why))
    }

    async fn upload(
        &self,
        repository: &Repository,
        blob: &Descriptor,
        content: &Content,
    ) -> Result<(), Why> {
        let path = format!("/v2/{}/blobs/uploads/", repository.path());
        let started = self.start(repository, &path).await?;
        let place = started.headers().get(LOCATION);
        let from = self.uri(repository, &path).await?;
        let place = place
            .and_then(|place| place.to_str().ok())
            .and_then(|place| upload_place(&from, place, &blob.digest))
            .ok_or_else(|| {
                Why::NotUnderstood("it takes blobs at no place of the same registry".to_owned())
            })?;
        let mut ask = Ask::get(place);
        ask.method = Method::PUT;
        ask.content = content.clone();
        ask.headers.insert(CONTENT_TYPE, BYTES);
        self.0.counts.asked(Asked::Push);
        self.0.ask(repository, Purpose::Push, &ask).await?;
        Ok(())
    }

    async fn start(&self, repository: &Repository, path: &str) -> Result<Response<Incoming>, Why> {
        let mut ask = Ask::get(self.uri(repository, path).await?);
        ask.method = Method::POST;
        self.0.ask(repository, Purpose::Push, &ask).await
    }

    async fn uri(&self, repository: &Repository, path: &str) -> Result<Uri, Why> {
        self.0.transport.uri(repository.registry(), path).await
    }
}

/// Where the registry wants the bytes. Behind a proxy that ends TLS some name the other scheme, so that of the first
/// request stays.
fn upload_place(from: &Uri, place: &str, digest: &Digest) -> Option<Uri> {
    let place = relative_to(from, place)?;
    if place.authority() != from.authority() {
        return None;
    }
    let path = place.path_and_query()?.as_str();
    let between = if path.contains('?') { '&' } else { '?' };
    let mut parts = from.clone().into_parts();
    parts.path_and_query = format!("{path}{between}digest={digest}").parse().ok();
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upload_goes_on_at_the_same_registry() {
        let from: Uri = "https://a.example/v2/x/blobs/uploads/".parse().unwrap();
        let digest = Digest::of(b"");
        let place = |place| upload_place(&from, place, &digest).map(|uri| uri.to_string());
        let expected = format!("https://a.example/v2/x/blobs/uploads/1?state=y&digest={digest}");

        assert_eq!(
            place("/v2/x/blobs/uploads/1?state=y"),
            Some(expected.clone())
        );
        assert_eq!(
            place("http://a.example/v2/x/blobs/uploads/1?state=y"),
            Some(expected)
        );
        assert_eq!(place("https://b.example/v2/x/blobs/uploads/1"), None);
    }
}
