//! Rules about what is fetched: resources, their URLs, hashes and headers, proxies, certificates,
//! and the configs that a config refers to.

use super::{Findings, says};
use crate::ignition::config::{Ignition, Proxy, Resource};
use crate::ignition::data_url;
use crate::ignition::report::Path;
use crate::ignition::url;

/// In spec 3.0 references to configs and certificates are plainer than files' contents.
const PLAIN_REFERENCES: u8 = 0;
/// Spec 3.0 knows sha512 alone.
const SHA256_SINCE: u8 = 1;
/// `gs:` came with spec 3.2, `arn:` with 3.4.
const GS_SINCE: u8 = 2;
const ARN_SINCE: u8 = 4;

pub(super) fn ignition_section(section: &Ignition, path: &Path, findings: &mut Findings) {
    let config = path.field("config");
    for (index, resource) in section.config.merge.iter().enumerate() {
        let path = config.field("merge").index(index);
        reference(resource, &path, findings);
        if findings.minor > PLAIN_REFERENCES {
            let fault = required_source_fault(resource, findings.minor);
            findings.fault(&path, fault);
        }
    }
    reference(&section.config.replace, &config.field("replace"), findings);
    let authorities = path
        .field("security")
        .field("tls")
        .field("certificateAuthorities");
    for (index, resource) in section
        .security
        .tls
        .certificate_authorities
        .iter()
        .enumerate()
    {
        let path = authorities.index(index);
        if findings.minor > PLAIN_REFERENCES {
            self::resource(resource, &path, findings);
            let fault = required_source_fault(resource, findings.minor);
            findings.fault(&path, fault);
        } else {
            let source = resource.source.as_deref().unwrap_or("");
            findings.fault(&path.field("source"), url_fault(source, findings.minor));
            verification(resource, &path, findings);
        }
    }
    proxy(&section.proxy, &path.field("proxy"), findings);
}

fn reference(resource: &Resource, path: &Path, findings: &mut Findings) {
    if findings.minor > PLAIN_REFERENCES {
        self::resource(resource, path, findings);
    } else {
        source(resource, path, findings);
        verification(resource, path, findings);
    }
}

/// Contents of a file, a key file, or a reference since spec 3.1.
pub(super) fn resource(resource: &Resource, path: &Path, findings: &mut Findings) {
    if !matches!(resource.compression.as_deref(), None | Some("" | "gzip")) {
        findings.error(&path.field("compression"), "invalid compression method");
    }
    if resource.verification.hash.is_some() && resource.source.is_none() {
        findings.error(
            &path.field("verification").field("hash"),
            "source must be specified if verification is specified",
        );
    }
    source(resource, path, findings);
    verification(resource, path, findings);
    http_headers(resource, path, findings);
}

fn source(resource: &Resource, path: &Path, findings: &mut Findings) {
    findings.fault(
        &path.field("source"),
        source_fault(resource, findings.minor),
    );
}

/// What is wrong with a source; an absent or empty one is fine.
pub(super) fn source_fault(resource: &Resource, minor: u8) -> Option<String> {
    match resource.source.as_deref() {
        None | Some("") => None,
        Some(source) => url_fault(source, minor),
    }
}

fn required_source_fault(resource: &Resource, minor: u8) -> Option<String> {
    if says(resource.source.as_ref()) {
        source_fault(resource, minor)
    } else {
        Some("source is required".to_owned())
    }
}

fn http_headers(resource: &Resource, path: &Path, findings: &mut Findings) {
    if resource.http_headers.is_empty() {
        return;
    }
    let path = path.field("httpHeaders");
    for (index, header) in resource.http_headers.iter().enumerate() {
        let path = path.index(index);
        if header.name.is_empty() {
            findings.error(&path.field("name"), "HTTP header name can't be empty");
        }
        if header.value.as_deref() == Some("") {
            findings.error(&path.field("value"), "unable to parse HTTP header");
        }
    }
    let source = resource.source.as_deref().unwrap_or("");
    match url::split(source) {
        _ if source.is_empty() => findings.error(&path, "unable to parse url"),
        None => findings.error(&path, "unable to parse url"),
        Some(url) if url.scheme == "http" || url.scheme == "https" => {}
        Some(_) => findings.error(&path, "cannot use HTTP headers with this source scheme"),
    }
}

fn verification(resource: &Resource, path: &Path, findings: &mut Findings) {
    let Some(hash) = resource.verification.hash.as_deref() else {
        return;
    };
    let digits = match hash.split_once('-') {
        None => Err("malformed hash specifier"),
        Some(("sha512", sum)) => Ok((sum, 128)),
        Some(("sha256", sum)) if findings.minor >= SHA256_SINCE => Ok((sum, 64)),
        Some(_) => Err("unrecognized hash function"),
    };
    let fault = match digits {
        Err(fault) => Some(fault),
        Ok((sum, length)) if sum.len() != length => Some("incorrect size for hash sum"),
        Ok(_) => None,
    };
    findings.fault(&path.field("verification").field("hash"), fault);
}

fn proxy(proxy: &Proxy, path: &Path, findings: &mut Findings) {
    for (name, url, plain_http) in [
        ("httpProxy", proxy.http_proxy.as_deref(), true),
        ("httpsProxy", proxy.https_proxy.as_deref(), false),
    ] {
        let Some(text) = url else { continue };
        let path = path.field(name);
        match url::split(text).map(|url| url.scheme).as_deref() {
            None => findings.error(&path, "unable to parse url"),
            Some("https") => {}
            Some("http") if plain_http => {}
            Some("http") => findings.warning(
                &path,
                "insecure plaintext HTTP proxy specified for HTTPS resources",
            ),
            Some(_) => findings.error(&path, "proxies must be http(s)"),
        }
    }
}

/// What is wrong with a URL that contents come from.
pub(super) fn url_fault(text: &str, minor: u8) -> Option<String> {
    let Some(url) = url::split(text) else {
        return Some("unable to parse url".to_owned());
    };
    match url.scheme.as_str() {
        "http" | "https" | "tftp" => None,
        "gs" if minor >= GS_SINCE => None,
        "s3" => empty_object_version(url.query),
        "arn" if minor >= ARN_SINCE => arn_fault(url.opaque.unwrap_or(""), url.query),
        "data" => data_url::decode(text).err().map(|error| error.to_string()),
        _ => Some("invalid url scheme".to_owned()),
    }
}

/// A `versionId` that says nothing.
fn empty_object_version(query: &str) -> Option<String> {
    let version = query
        .split('&')
        .filter(|pair| !pair.contains(';'))
        .find_map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (key == "versionId").then_some(value)
        });
    (version == Some("")).then(|| "invalid S3 object VersionId".to_owned())
}

/// `arn:PARTITION:s3:REGION:ACCOUNT:RESOURCE`, the resource with an object behind its slash.
fn arn_fault(opaque: &str, query: &str) -> Option<String> {
    let invalid = || Some("invalid S3 ARN format".to_owned());
    let sections: Vec<&str> = opaque.splitn(5, ':').collect();
    let [_partition, service, _region, _account, resource] = sections.as_slice() else {
        return invalid();
    };
    let parts = opaque.split('/').count();
    let wanted = if resource.starts_with("accesspoint/") {
        3
    } else {
        2
    };
    if *service != "s3" || parts < wanted {
        invalid()
    } else {
        empty_object_version(query)
    }
}

/// What is wrong with the URL of a Tang server.
pub(super) fn tang_url_fault(text: &str) -> Option<&'static str> {
    match url::split(text).map(|url| url.scheme).as_deref() {
        None => Some("unable to parse url"),
        Some("http" | "https") => None,
        Some(_) => Some("invalid url scheme"),
    }
}
