//! What a registry says when it wants to know who asks: the header `WWW-Authenticate`.

use http::HeaderMap;
use http::header::WWW_AUTHENTICATE;

/// How a registry wants to be convinced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Challenge {
    /// By name and password with each request.
    Basic,
    /// By a token from elsewhere.
    Bearer {
        /// Where tokens are given.
        realm: String,
        /// For which service.
        service: Option<String>,
        /// For what.
        scope: Option<String>,
    },
}

impl Challenge {
    /// The one that is met here, a token before a password.
    pub(super) fn among(headers: &HeaderMap) -> Option<Self> {
        let all: Vec<Self> = headers
            .get_all(WWW_AUTHENTICATE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(read)
            .collect();
        let bearer = |challenge: &&Self| matches!(challenge, Self::Bearer { .. });
        all.iter().find(bearer).or_else(|| all.first()).cloned()
    }
}

/// A scheme with its parameters.
type Part = (String, Vec<(String, String)>);

fn read(value: &str) -> Vec<Challenge> {
    let mut parts: Vec<Part> = Vec::new();
    let mut rest = value;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let end = rest.find([' ', '\t', ',', '=']).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        if word.is_empty() {
            break;
        }
        let Some(text) = after.strip_prefix('=') else {
            parts.push((word.to_ascii_lowercase(), Vec::new()));
            rest = after;
            continue;
        };
        let (text, left) = parameter(text);
        rest = left;
        if let Some((_, parameters)) = parts.last_mut() {
            parameters.push((word.to_ascii_lowercase(), text));
        }
    }
    parts.into_iter().filter_map(challenge).collect()
}

/// A parameter's value, quoted or not, and what follows it.
fn parameter(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([',', ' ', '\t']).unwrap_or(text.len());
        let (value, rest) = text.split_at(end);
        return (value.to_owned(), rest);
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return (value, quoted.get(at + 1..).unwrap_or_default()),
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            other => value.push(other),
        }
    }
    (value, "")
}

fn challenge((scheme, parameters): Part) -> Option<Challenge> {
    let find = |name: &str| {
        let found = parameters.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.clone())
    };
    match scheme.as_str() {
        "basic" => Some(Challenge::Basic),
        "bearer" => Some(Challenge::Bearer {
            realm: find("realm")?,
            service: find("service"),
            scope: find("scope"),
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn among(values: &[&str]) -> Option<Challenge> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(WWW_AUTHENTICATE, value.parse().unwrap());
        }
        Challenge::among(&headers)
    }

    fn bearer(realm: &str, service: Option<&str>, scope: Option<&str>) -> Challenge {
        Challenge::Bearer {
            realm: realm.to_owned(),
            service: service.map(str::to_owned),
            scope: scope.map(str::to_owned),
        }
    }

    #[test]
    fn the_common_forms_are_read() {
        assert_eq!(
            among(&[
                r#"Bearer realm="https://a/token",service="b",scope="repository:c/d:pull,push""#
            ]),
            Some(bearer(
                "https://a/token",
                Some("b"),
                Some("repository:c/d:pull,push")
            ))
        );
        assert_eq!(
            among(&[r#"bearer realm=https://a/token , service="b \"c\"""#]),
            Some(bearer("https://a/token", Some("b \"c\""), None))
        );
        assert_eq!(
            among(&[r#"Basic realm="Registry Realm""#]),
            Some(Challenge::Basic)
        );
    }

    #[test]
    fn a_token_goes_before_a_password_in_one_header_or_two() {
        let token = Some(bearer("https://a", None, None));

        assert_eq!(
            among(&["Basic realm=\"x\", Bearer realm=\"https://a\""]),
            token
        );
        assert_eq!(among(&["Basic", "Bearer realm=\"https://a\""]), token);
    }

    #[test]
    fn nonsense_is_no_challenge() {
        for value in [
            "",
            ",,,",
            "=",
            "Bearer",
            "Bearer realm",
            "Negotiate abc==",
            "\"",
            "Bearer =x",
        ] {
            assert_eq!(among(&[value]), None, "{value}");
        }
    }
}
