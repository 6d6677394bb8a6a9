//! The page for people: its files are part of the binary, and it loads nothing from anywhere else.
//!
//! # Guarantees
//! The page may load and run only what comes from this service ([`POLICY`]); nothing in it is made from data.

use bytes::Bytes;

use crate::picture;

/// What a browser lets the page do.
pub(super) const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; \
     base-uri 'self'; form-action 'none'; frame-ancestors 'none'";
/// Where the page's own base is written, if it is not the folder that it is served from.
const BASE: &str = "<!-- base -->";

/// A file of the page: its media type and its bytes.
pub(super) struct File {
    pub(super) media_type: &'static str,
    pub(super) body: Bytes,
}

/// The file at a path below the prefix. `whole` is the path as it was asked for.
pub(super) fn file(path: &str, whole: &str, prefix: &str) -> Option<File> {
    let (media_type, body) = match path {
        "/" => return Some(index(whole, prefix)),
        "/page.css" => {
            let style = concat!(include_str!("page.css"), "\n").to_owned() + picture::STYLE;
            return Some(File {
                media_type: "text/css; charset=utf-8",
                body: style.into(),
            });
        }
        "/page.js" => ("text/javascript; charset=utf-8", include_str!("page.js")),
        "/answers.js" => ("text/javascript; charset=utf-8", include_str!("answers.js")),
        "/icon.svg" => ("image/svg+xml", include_str!("icon.svg")),
        _ => return None,
    };
    Some(File {
        media_type,
        body: Bytes::from_static(body.as_bytes()),
    })
}

/// The page. Below its prefix it finds everything beside itself, also behind a proxy that serves it under another path;
/// elsewhere it is told where to look.
fn index(whole: &str, prefix: &str) -> File {
    let page = include_str!("index.html");
    let beside = whole.strip_prefix(prefix) == Some("/");
    let body = if beside {
        Bytes::from_static(page.as_bytes())
    } else {
        let base = format!("<base href=\"{}/\">", picture::escaped(prefix));
        page.replacen(BASE, &base, 1).into()
    };
    File {
        media_type: "text/html; charset=utf-8",
        body,
    }
}
