//! What a client accepts: media types and encodings, with their weights.

/// The media type of clients that say nothing.
pub(super) const CINCINNATI: &str = "application/vnd.redhat.cincinnati.v1+json";
/// The media type of JSON.
pub(super) const JSON: &str = "application/json";

/// The media type to answer with; none if the client accepts none of ours.
///
/// Without an Accept header it is the specific one; where both weigh the same it is JSON, as the reference answers.
pub(super) fn media_type(accept: Option<&str>) -> Option<&'static str> {
    let Some(accept) = accept else {
        return Some(CINCINNATI);
    };
    let json = weight(accept, JSON);
    let cincinnati = weight(accept, CINCINNATI);
    if json == 0 && cincinnati == 0 {
        None
    } else if cincinnati > json {
        Some(CINCINNATI)
    } else {
        Some(JSON)
    }
}

/// Whether the client would rather have gzip.
pub(super) fn gzip(accept_encoding: Option<&str>) -> bool {
    let Some(accepted) = accept_encoding else {
        return false;
    };
    let of = |name: &str| {
        entries(accepted)
            .find(|(entry, _)| entry.eq_ignore_ascii_case(name))
            .map(|(_, weight)| weight)
    };
    let gzip = of("gzip").or_else(|| of("*")).unwrap_or(0);
    gzip > 0 && gzip >= of("identity").unwrap_or(0)
}

/// The weight of a media type, in thousandths: that of the most specific range that covers it.
fn weight(accept: &str, media_type: &str) -> u16 {
    let covers = |range: &str| {
        if range.eq_ignore_ascii_case(media_type) {
            Some(2)
        } else if range.eq_ignore_ascii_case("application/*") {
            Some(1)
        } else if range == "*/*" {
            Some(0)
        } else {
            None
        }
    };
    entries(accept)
        .filter_map(|(range, weight)| covers(range).map(|specific| (specific, weight)))
        .max_by_key(|(specific, _)| *specific)
        .map_or(0, |(_, weight)| weight)
}

/// The entries of such a header with their weights in thousandths. A weight that cannot be read is a full one.
fn entries(header: &str) -> impl Iterator<Item = (&str, u16)> {
    header.split(',').map(|entry| {
        let mut parts = entry.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let weight = parts
            .filter_map(|part| part.split_once('='))
            .find(|(key, _)| key.trim().eq_ignore_ascii_case("q"))
            .map_or(1000, |(_, value)| thousandths(value.trim()));
        (name, weight)
    })
}

fn thousandths(value: &str) -> u16 {
    let Some(fraction) = value.strip_prefix("0") else {
        return 1000;
    };
    let digits = fraction.strip_prefix('.').unwrap_or_default();
    let mut padded: String = digits.chars().take(3).collect();
    while padded.len() < 3 {
        padded.push('0');
    }
    padded.parse().unwrap_or(1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_media_type_is_the_one_that_weighs_most() {
        let cases = [
            (None, Some(CINCINNATI)),
            (Some("application/json"), Some(JSON)),
            (
                Some("application/vnd.redhat.cincinnati.v1+json"),
                Some(CINCINNATI),
            ),
            (Some("*/*"), Some(JSON)),
            (Some("application/*"), Some(JSON)),
            (Some("application/json;q=0.9"), Some(JSON)),
            (Some("application/json, text/plain"), Some(JSON)),
            (Some("Application/JSON"), Some(JSON)),
            (
                Some("application/json;q=0.1, application/vnd.redhat.cincinnati.v1+json"),
                Some(CINCINNATI),
            ),
            (Some("*/*, application/json;q=0"), Some(CINCINNATI)),
            (Some("application/vnd.redhat.cincinnati.v2+json"), None),
            (Some("text/html"), None),
            (Some("application/json;q=0"), None),
            (Some(""), None),
        ];
        for (accept, answer) in cases {
            assert_eq!(media_type(accept), answer, "{accept:?}");
        }
    }

    #[test]
    fn gzip_is_given_to_whom_it_is_welcome() {
        let cases = [
            (None, false),
            (Some("gzip"), true),
            (Some("deflate, gzip;q=0.5"), true),
            (Some("br, *"), true),
            (Some("gzip;q=0"), false),
            (Some("gzip;q=0, *"), false),
            (Some("identity, gzip;q=0.5"), false),
            (Some("br"), false),
        ];
        for (accept, welcome) in cases {
            assert_eq!(gzip(accept), welcome, "{accept:?}");
        }
    }
}
