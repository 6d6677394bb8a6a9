//! Tags and manifests.

use bytes::Bytes;
use http::Uri;
use http::header::{ACCEPT, CONTENT_TYPE, IF_NONE_MATCH, LINK};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use hyper::body::Incoming;
use serde::Deserialize;

use super::Registry;
use super::auth::Purpose;
use super::counts::Asked;
use super::digest::Digest;
use super::error::{RegistryError, Why};
use super::manifest::{self, MANIFEST_BYTES_MAX, Manifest};
use super::reference::{At, Reference, Repository, is_tag};
use super::transport::{Ask, relative_to};

/// Tags that are asked for at once; a registry may give fewer.
const TAGS_A_PAGE: usize = 1000;
/// A page of tags is no larger.
const PAGE_BYTES_MAX: usize = 4 << 20;
/// Tags that are taken: twenty times those of the largest repository of releases.
pub const TAGS_MAX: usize = 200_000;

/// A manifest as it came, which is what its digest says.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// Its digest.
    pub digest: Digest,
    /// Its media type.
    pub media_type: String,
    /// Its bytes.
    pub bytes: Bytes,
    /// What they say.
    pub manifest: Manifest,
}

/// The tags of a repository.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tags {
    /// They, in their order, each once.
    pub names: Vec<String>,
    /// How many entries of the list can be no tags.
    pub unusable: usize,
}

#[derive(Deserialize)]
struct Page {
    /// Some registries write `null` where there are none.
    tags: Option<Vec<String>>,
}

impl Registry {
    /// The tags of a repository, page by page.
    pub async fn tags(&self, repository: &Repository) -> Result<Tags, RegistryError> {
        let attempt = "listing the tags of";
        // All pages are of one registry: two mirrors need not agree.
        let all = self
            .first(attempt, repository, repository, |at| async move {
                let path = format!("/v2/{}/tags/list?n={TAGS_A_PAGE}", at.path());
                let mut next = Some(self.0.transport.uri(at.registry(), &path).await?);
                let mut names: Vec<String> = Vec::new();
                while let Some(uri) = next {
                    let (tags, following) = self.page(&at, &uri).await?;
                    // A list that goes round in a circle brings nothing new.
                    next = following.filter(|_| tags.last() != names.last());
                    names.extend(tags);
                    if names.len() > TAGS_MAX {
                        return Err(Why::TooLarge {
                            what: "tags",
                            limit: TAGS_MAX as u64,
                        });
                    }
                }
                Ok(names)
            })
            .await?;
        let listed = all.len();
        let mut names: Vec<String> = all.into_iter().filter(|tag| is_tag(tag)).collect();
        let unusable = listed - names.len();
        names.sort();
        names.dedup();
        Ok(Tags { names, unusable })
    }

    async fn page(&self, at: &Repository, uri: &Uri) -> Result<(Vec<String>, Option<Uri>), Why> {
        self.0
            .patiently(uri, || async {
                self.0.counts.asked(Asked::TagPage);
                let response = self
                    .0
                    .ask(at, Purpose::Pull, &Ask::get(uri.clone()))
                    .await?;
                let next = next_page(uri, response.headers())?;
                let body = self.0.transport.whole(response, PAGE_BYTES_MAX).await?;
                let page: Page = serde_json::from_slice(&body)
                    .map_err(|error| Why::NotUnderstood(format!("as a list of tags: {error}")))?;
                Ok((page.tags.unwrap_or_default(), next))
            })
            .await
    }

    /// The manifest of an image.
    pub async fn manifest(&self, image: &Reference) -> Result<Fetched, RegistryError> {
        match self.manifest_unless(image, None).await? {
            Some(fetched) => Ok(fetched),
            None => Err(RegistryError::new(
                "reading the manifest of",
                image,
                Why::NotUnderstood(
                    "it has not changed, says a registry that was not asked so".to_owned(),
                ),
            )),
        }
    }

    /// The manifest of an image, unless it is the one that is known already: that costs one small request.
    pub async fn manifest_unless(
        &self,
        image: &Reference,
        known: Option<&Digest>,
    ) -> Result<Option<Fetched>, RegistryError> {
        let attempt = "reading the manifest of";
        self.anywhere(attempt, &image.repository, image, |at| async move {
            let path = format!("/v2/{}/manifests/{}", at.path(), image.at);
            let mut ask = Ask::get(self.0.transport.uri(at.registry(), &path).await?);
            ask.headers
                .insert(ACCEPT, HeaderValue::from_static(manifest::ACCEPT));
            let tag = known.map(|known| HeaderValue::from_str(&format!("\"{known}\"")));
            if let Some(Ok(tag)) = tag {
                ask.headers.insert(IF_NONE_MATCH, tag);
            }
            let response = self.0.ask(&at, Purpose::Pull, &ask).await?;
            if response.status() == StatusCode::NOT_MODIFIED && known.is_some() {
                self.0.counts.asked(Asked::Unchanged);
                return Ok(None);
            }
            let fetched = self.fetched(&image.at, response).await?;
            if Some(&fetched.digest) == known {
                self.0.counts.asked(Asked::Unchanged);
                return Ok(None);
            }
            self.0.counts.asked(Asked::Manifest);
            Ok(Some(fetched))
        })
        .await
    }

    async fn fetched(&self, at: &At, response: Response<Incoming>) -> Result<Fetched, Why> {
        let header = |name: &str| {
            let value = response.headers().get(name);
            value.and_then(|value| value.to_str().ok().map(str::to_owned))
        };
        let media_type = header(CONTENT_TYPE.as_str()).unwrap_or_default();
        let media_type = media_type.split(';').next().unwrap_or_default().trim();
        let media_type = media_type.to_owned();
        let told = header("docker-content-digest");
        let named = match at {
            At::Digest(digest) => Some(digest.clone()),
            At::Tag(_) => told.and_then(|told| Digest::parse(&told).ok()),
        };
        let bytes = self.0.transport.whole(response, MANIFEST_BYTES_MAX).await?;
        let mut hasher = match &named {
            Some(named) => named.hasher(),
            None => Digest::of(b"").hasher(),
        };
        hasher.update(&bytes);
        let digest = hasher.finish();
        if let Some(named) = named.filter(|named| *named != digest) {
            return Err(Why::WrongDigest {
                named,
                came: digest,
            });
        }
        let manifest = Manifest::read(&bytes).map_err(Why::NotUnderstood)?;
        Ok(Fetched {
            digest,
            media_type,
            bytes,
            manifest,
        })
    }
}

/// Where the next page is, from a header such as `</v2/x/tags/list?last=y>; rel="next"`.
fn next_page(from: &Uri, headers: &HeaderMap) -> Result<Option<Uri>, Why> {
    let values = headers.get_all(LINK).iter();
    let next = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .find(|link| link.contains("rel=\"next\"") || link.contains("rel=next"));
    let Some(link) = next else {
        return Ok(None);
    };
    let target = link
        .trim()
        .strip_prefix('<')
        .and_then(|link| link.split_once('>'))
        .and_then(|(target, _)| relative_to(from, target))
        // Credentials go to the registry that was meant, and there is no other list of these tags.
        .filter(|next| next.authority() == from.authority());
    match target {
        Some(target) => Ok(Some(target)),
        None => Err(Why::NotUnderstood(
            "the next page of tags is at no place of the same registry".to_owned(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(link: &str) -> Result<Option<String>, Why> {
        let from: Uri = "https://a.example/v2/x/tags/list?n=2".parse().unwrap();
        let mut headers = HeaderMap::new();
        headers.insert(LINK, link.parse().unwrap());
        next_page(&from, &headers).map(|next| next.map(|next| next.to_string()))
    }

    #[test]
    fn the_next_page_is_of_the_same_registry() {
        let path = "https://a.example/v2/x/tags/list?last=b&n=2";

        assert_eq!(
            next("</v2/x/tags/list?last=b&n=2>; rel=\"next\"").unwrap(),
            Some(path.to_owned())
        );
        assert_eq!(
            next(&format!("<{path}>; rel=\"next\"")).unwrap(),
            Some(path.to_owned())
        );
        assert_eq!(next("</v2/y>; rel=\"prev\"").unwrap(), None);
        assert!(next("<https://b.example/v2/x>; rel=\"next\"").is_err());
        assert!(next("nonsense; rel=\"next\"").is_err());
    }
}
