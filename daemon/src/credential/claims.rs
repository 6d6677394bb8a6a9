//! What a ServiceAccount token says of itself. It is read, and not believed: the API server judges it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::Deserialize;

/// Longest token that is read; real ones have about a thousand bytes.
const TOKEN_BYTES_MAX: usize = 64 * 1024;

/// Whose token it is, and until when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// The ServiceAccount's namespace.
    pub namespace: String,
    /// The ServiceAccount.
    pub account: String,
    /// The Node that it is bound to, by itself or by its pod.
    pub node: Option<String>,
    /// Whether it is bound to a pod, and ends with it.
    pub of_pod: bool,
    /// Since when it counts.
    pub issued: Timestamp,
    /// Until when it counts.
    pub expires: Timestamp,
}

/// Why a token cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ClaimsError {
    /// Not three parts, or not the alphabet.
    #[error("it is no JSON web token")]
    Form,
    /// Not what a ServiceAccount's token says.
    #[error("it is no bound token of a ServiceAccount")]
    Json(#[source] serde_json::Error),
    /// Times that no calendar has.
    #[error("its times are out of range")]
    Time(#[source] jiff::Error),
}

#[derive(Deserialize)]
struct Payload {
    iat: i64,
    exp: i64,
    #[serde(rename = "kubernetes.io")]
    kubernetes: Kubernetes,
}

#[derive(Deserialize)]
struct Kubernetes {
    namespace: String,
    serviceaccount: Named,
    #[serde(default)]
    node: Option<Named>,
    #[serde(default)]
    pod: Option<Named>,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

impl Claims {
    /// Reads a token.
    ///
    /// # Errors
    ///
    /// It is none.
    pub fn read(token: &[u8]) -> Result<Self, ClaimsError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(ClaimsError::Form);
        }
        let token = std::str::from_utf8(token).map_err(|_| ClaimsError::Form)?;
        let parts: Vec<&str> = token.trim().split('.').collect();
        let [_, payload, _] = parts.as_slice() else {
            return Err(ClaimsError::Form);
        };
        let payload = URL_SAFE_NO_PAD.decode(payload);
        let payload = payload.map_err(|_| ClaimsError::Form)?;
        let said: Payload = serde_json::from_slice(&payload).map_err(ClaimsError::Json)?;
        Ok(Self {
            namespace: said.kubernetes.namespace,
            account: said.kubernetes.serviceaccount.name,
            node: said.kubernetes.node.map(|node| node.name),
            of_pod: said.kubernetes.pod.is_some(),
            issued: Timestamp::from_second(said.iat).map_err(ClaimsError::Time)?,
            expires: Timestamp::from_second(said.exp).map_err(ClaimsError::Time)?,
        })
    }

    /// When it is time for the next one: after a third of its life.
    pub fn renewal(&self) -> Timestamp {
        let life = self.expires.duration_since(self.issued);
        self.issued.checked_add(life / 3).unwrap_or(self.issued)
    }
}

#[cfg(test)]
pub(in crate::credential) mod tests {
    use super::*;
    use serde_json::json;

    /// A token as an API server makes them, but for the signature.
    pub(in crate::credential) fn token(node: &str, issued: i64, expires: i64) -> String {
        let payload = json!({
            "iat": issued,
            "exp": expires,
            "sub": "system:serviceaccount:windlass:windlass-daemon",
            "kubernetes.io": {
                "namespace": "windlass",
                "node": {"name": node, "uid": "1"},
                "serviceaccount": {"name": "windlass-daemon", "uid": "2"},
            },
        });
        let payload = URL_SAFE_NO_PAD.encode(payload.to_string());
        format!("e30.{payload}.c2ln")
    }

    #[test]
    fn a_token_says_whose_it_is_and_when_the_next_is_due() {
        let claims = Claims::read(token("worker-1", 300, 3900).as_bytes()).unwrap();
        assert_eq!(claims.namespace, "windlass");
        assert_eq!(claims.account, "windlass-daemon");
        assert_eq!(claims.node.as_deref(), Some("worker-1"));
        assert!(!claims.of_pod);
        assert_eq!(claims.renewal(), Timestamp::from_second(1500).unwrap());
    }

    #[test]
    fn what_is_no_token_is_refused_by_name() {
        for text in ["", "a.b", "a.!.c", "e30.e30.c2ln", "a.b.c.d"] {
            assert!(Claims::read(text.as_bytes()).is_err(), "{text:?}");
        }
        assert!(Claims::read(&[0xff; 10]).is_err());
        assert!(Claims::read(&vec![b'a'; TOKEN_BYTES_MAX + 1]).is_err());
    }
}
