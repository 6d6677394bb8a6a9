//! Splitting URLs as far as Ignition's rules need it: the scheme, and whether it is a URL at all.
//!
//! Guarantees: what Go's `net/url` refuses is refused here. The `url` crate follows the WHATWG
//! rules, which mend what Ignition refuses and refuse what it takes, so that it cannot be used here.
//! Not here: fetching.

/// What the rules look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Url<'a> {
    /// Lower case; empty if there is none.
    pub(crate) scheme: String,
    /// Behind the scheme, if that is not followed by a `/` (as in `data:` and `arn:`).
    pub(crate) opaque: Option<&'a str>,
    /// Behind the `?`.
    pub(crate) query: &'a str,
}

/// Splits a URL; nothing if it is none.
pub(crate) fn split(text: &str) -> Option<Url<'_>> {
    let (whole, fragment) = text.split_once('#').unwrap_or((text, ""));
    if whole.bytes().any(|byte| byte < 0x20 || byte == 0x7f) || !escapes_valid(fragment) {
        return None;
    }
    let (scheme, rest) = split_scheme(whole)?;
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let url = |opaque| Url {
        scheme: scheme.to_ascii_lowercase(),
        opaque,
        query,
    };
    if !rest.starts_with('/') {
        if !scheme.is_empty() {
            return Some(url(Some(rest)));
        }
        let first = rest.split('/').next().unwrap_or(rest);
        if first.contains(':') {
            return None;
        }
    }
    let authority_follows =
        rest.starts_with("//") && (!scheme.is_empty() || !rest.starts_with("///"));
    let path = match rest.strip_prefix("//") {
        Some(behind) if authority_follows => {
            let end = behind.find('/').unwrap_or(behind.len());
            let (authority, path) = behind.split_at(end);
            if !authority_valid(authority) {
                return None;
            }
            path
        }
        _ => rest,
    };
    escapes_valid(path).then(|| url(None))
}

/// Scheme and rest; nothing if the text starts with a colon.
fn split_scheme(text: &str) -> Option<(&str, &str)> {
    for (index, byte) in text.bytes().enumerate() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' => {}
            b'0'..=b'9' | b'+' | b'-' | b'.' if index > 0 => {}
            b':' if index == 0 => return None,
            b':' => {
                return Some((
                    text.get(..index).unwrap_or(""),
                    text.get(index + 1..).unwrap_or(""),
                ));
            }
            _ => break,
        }
    }
    Some(("", text))
}

fn authority_valid(authority: &str) -> bool {
    match authority.rsplit_once('@') {
        None => host_valid(authority),
        Some((user, host)) => user_valid(user) && host_valid(host),
    }
}

fn user_valid(user: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-._:~!$&'()*+,;=%@".contains(c);
    user.chars().all(allowed) && escapes_valid(user)
}

fn host_valid(host: &str) -> bool {
    if let Some(inner) = host.strip_prefix('[') {
        let Some((address, port)) = inner.rsplit_once(']') else {
            return false;
        };
        let address = address
            .split_once("%25")
            .map_or(address, |(address, _zone)| address);
        return port_valid(port) && address.parse::<std::net::Ipv6Addr>().is_ok();
    }
    let (name, port) = match host.rfind(':') {
        Some(colon) => host.split_at(colon),
        None => (host, ""),
    };
    port_valid(port) && !name.contains(':') && host_name_valid(name)
}

/// A colon and digits, or nothing.
fn port_valid(port: &str) -> bool {
    match port.strip_prefix(':') {
        Some(digits) => digits.bytes().all(|byte| byte.is_ascii_digit()),
        None => port.is_empty(),
    }
}

/// In a host only bytes above ASCII may be escaped, and only some ASCII letters may stand.
fn host_name_valid(name: &str) -> bool {
    let plain = name.chars().all(|c| {
        !c.is_ascii() || c.is_ascii_alphanumeric() || "-_.~!$&'()*+,;=:[]<>\"%".contains(c)
    });
    let escaped_ascii = name.as_bytes().windows(3).any(|window| match window {
        [b'%', high, low] => *high < b'8' && !(*high == b'2' && *low == b'5'),
        _ => false,
    });
    plain && escapes_valid(name) && !escaped_ascii
}

/// Whether each `%` is followed by two hexadecimal digits.
fn escapes_valid(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.iter().enumerate().filter(|(_, byte)| **byte == b'%').all(|(index, _)| {
        matches!(bytes.get(index + 1..index + 3), Some(digits) if digits.iter().all(u8::is_ascii_hexdigit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scheme(text: &str) -> Option<String> {
        split(text).map(|url| url.scheme)
    }

    #[test]
    fn the_scheme_is_what_stands_before_the_first_colon() {
        for (text, expected) in [
            ("https://example.com/a", "https"),
            ("HTTP://example.com", "http"),
            ("data:,%", "data"),
            ("/etc/passwd", ""),
            ("", ""),
            ("arn:aws:s3:::bucket/key", "arn"),
        ] {
            assert_eq!(scheme(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_go_cannot_parse_is_no_url() {
        for text in [
            ":foo",
            "http://%zz",
            "https://exa mple.com/",
            "https://example.com/%zz",
            "http://host:port/",
            "http://[::1",
            "http://a:1:2/",
            "a:b\u{7f}",
            "1a:b",
            "http://a/#%z",
        ] {
            assert_eq!(split(text), None, "{text}");
        }
    }
}
