//! Data URLs (RFC 2397) as Ignition reads them.
//!
//! Guarantees: what Ignition's own reader refuses is refused, what it takes is taken, and the bytes
//! are the same. It is pickier than the web: only media types that start like a registered one,
//! `;base64` last and in lower case, base64 with padding, no character outside of ASCII, no `#`.
//! Not here: compression and verification (`crate::contents`).

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};

/// The usual alphabet with padding. Bits behind the last byte are not looked at, as in Go.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);

/// Why a text is no data URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DataUrlError {
    /// It does not start with `data:`.
    #[error("missing data prefix")]
    Prefix,
    /// Nothing follows the media type.
    #[error("missing comma before data")]
    Comma,
    /// A media type without its slash or subtype.
    #[error("incomplete media type")]
    MediaType,
    /// A media type that starts like none that is registered.
    #[error("invalid media type")]
    UnknownMediaType,
    /// A character that no media type has.
    #[error("invalid character for media type")]
    MediaTypeCharacter,
    /// A parameter that is not `name=value`, or a word other than `base64` before the comma.
    #[error("invalid parameter, or a word other than base64 before the comma")]
    Parameter,
    /// A character that must be escaped.
    #[error("invalid data character")]
    Character,
    /// A `%` without two hexadecimal digits.
    #[error("invalid escape sequence")]
    Escape,
    /// Not base64, or not padded.
    #[error("illegal base64 data")]
    Base64,
}

/// The bytes that a data URL holds.
///
/// # Errors
/// What is wrong with it, if it is none.
pub fn decode(url: &str) -> Result<Vec<u8>, DataUrlError> {
    let rest = url.strip_prefix("data:").ok_or(DataUrlError::Prefix)?;
    let (header, data) = split_header(rest)?;
    if is_base64(header)? {
        if !data
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'='))
        {
            return Err(DataUrlError::Character);
        }
        return BASE64.decode(data).map_err(|_| DataUrlError::Base64);
    }
    if !data.bytes().all(is_url_byte) {
        return Err(DataUrlError::Character);
    }
    unescape(data)
}

/// Splits at the first comma that is not inside a quoted parameter value.
fn split_header(rest: &str) -> Result<(&str, &str), DataUrlError> {
    let mut quoted = false;
    let mut escaped = false;
    for (index, byte) in rest.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b',' if !quoted => {
                return Ok((
                    rest.get(..index).unwrap_or(""),
                    rest.get(index + 1..).unwrap_or(""),
                ));
            }
            _ => {}
        }
    }
    Err(DataUrlError::Comma)
}

/// Checks media type and parameters; says whether `;base64` stands at the end.
fn is_base64(header: &str) -> Result<bool, DataUrlError> {
    let (media_type, parameters) = match header.find(';') {
        Some(semicolon) => header.split_at(semicolon),
        None => (header, ""),
    };
    check_media_type(media_type)?;
    let mut rest = parameters;
    while let Some(parameter) = rest.strip_prefix(';') {
        let name_end = parameter.find(['=', ';']).unwrap_or(parameter.len());
        let (name, behind) = parameter.split_at(name_end);
        if name.is_empty() || !name.chars().all(is_token) {
            return Err(DataUrlError::Parameter);
        }
        let Some(value) = behind.strip_prefix('=') else {
            let last = behind.is_empty() && name == "base64";
            return if last {
                Ok(true)
            } else {
                Err(DataUrlError::Parameter)
            };
        };
        rest = parameter_value_end(value)?;
    }
    if rest.is_empty() {
        Ok(false)
    } else {
        Err(DataUrlError::Parameter)
    }
}

/// What follows one parameter value.
fn parameter_value_end(value: &str) -> Result<&str, DataUrlError> {
    if let Some(quoted) = value.strip_prefix('"') {
        let mut escaped = false;
        for (index, byte) in quoted.bytes().enumerate() {
            match byte {
                _ if !byte.is_ascii() => return Err(DataUrlError::Parameter),
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => return Ok(quoted.get(index + 1..).unwrap_or("")),
                _ => {}
            }
        }
        return Err(DataUrlError::Parameter);
    }
    let end = value.find(';').unwrap_or(value.len());
    let (plain, rest) = value.split_at(end);
    if plain.is_empty() || !plain.chars().all(is_token) {
        return Err(DataUrlError::Parameter);
    }
    unescape(plain)?;
    Ok(rest)
}

fn check_media_type(media_type: &str) -> Result<(), DataUrlError> {
    if media_type.is_empty() {
        return Ok(());
    }
    let Some((kind, subtype)) = media_type.split_once('/') else {
        return Err(DataUrlError::MediaType);
    };
    if kind.is_empty() || !kind.chars().chain(subtype.chars()).all(is_token) {
        return Err(DataUrlError::MediaTypeCharacter);
    }
    let extension = kind.starts_with("x-") || kind.starts_with("X-");
    let registered = [
        "text",
        "image",
        "audio",
        "video",
        "application",
        "message",
        "multipart",
    ];
    if extension || registered.iter().any(|known| kind.starts_with(known)) {
        Ok(())
    } else {
        Err(DataUrlError::UnknownMediaType)
    }
}

/// A character of a MIME token (RFC 2045).
fn is_token(c: char) -> bool {
    c.is_ascii_graphic() && !"()<>@,;:\\\"/[]?=".contains(c)
}

/// A character that may stand in a URL (RFC 2396), `%` included.
fn is_url_byte(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"<>#\"{}|\\^[]`".contains(&byte)
}

fn unescape(text: &str) -> Result<Vec<u8>, DataUrlError> {
    let valid = text
        .as_bytes()
        .iter()
        .enumerate()
        .filter(|(_, byte)| **byte == b'%')
        .all(|(at, _)| {
            text.as_bytes()
                .get(at + 1..at + 3)
                .is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
        });
    if valid {
        Ok(percent_encoding::percent_decode_str(text).collect())
    } else {
        Err(DataUrlError::Escape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_forms_are_read() {
        for (url, contents) in [
            ("data:,", &b""[..]),
            ("data:,a%20b%2Bc", b"a b+c"),
            ("data:text/plain,hello", b"hello"),
            ("data:text/plain;charset=utf-8,hello", b"hello"),
            ("data:;base64,aGk=", b"hi"),
            ("data:;base64,aGl=", b"hi"),
            ("data:text/plain;charset=utf-8;base64,aGk=", b"hi"),
            ("data:text/plain;charset=\"a,b\",x", b"x"),
            ("data:x-own/thing,x", b"x"),
        ] {
            assert_eq!(decode(url).as_deref(), Ok(contents), "{url}");
        }
    }

    #[test]
    fn what_ignition_refuses_is_refused() {
        for url in [
            "data:",
            "data:text/plain",
            "data:text,x",
            "data:foo/bar,x",
            "data:;BASE64,aGk=",
            "data:;base64;charset=x,aGk=",
            "data:;base64,aGk",
            "data:;base64,a%3D",
            "data:,a b",
            "data:,%zz",
            "data:,%4",
            "data:,ü",
            "data:,a#b",
            "data:;charset=,x",
            "http://x",
        ] {
            assert!(decode(url).is_err(), "{url}");
        }
    }
}
