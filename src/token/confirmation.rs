//! Who may use a token: whoever holds it, or only who proves to own a key or a certificate that the issuer bound it to
//! ([RFC 7800](https://www.rfc-editor.org/rfc/rfc7800)).
//!
//! Stricter than RFC 7800 §3.1, which lets unknown methods be ignored: a token that is bound in a way that cannot be
//! checked here would turn into one that whoever stole it may use.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::token::Claims;

/// A SHA-256, as both methods name what a token is bound to.
pub type Thumbprint = [u8; 32];

/// What a token is bound to. By default nothing: whoever holds it may use it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Confirmation {
    /// `x5t#S256`: the client certificate
    /// ([RFC 8705 §3.1](https://www.rfc-editor.org/rfc/rfc8705#section-3.1)).
    pub certificate: Option<Thumbprint>,
    /// `jkt`: the key of DPoP proofs
    /// ([RFC 9449 §6.1](https://www.rfc-editor.org/rfc/rfc9449#section-6.1)).
    pub key: Option<Thumbprint>,
}

/// The claim `cnf` is there, but not one that can be checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "claim `cnf` binds the token in an unknown way; expected `jkt`, `x5t#S256` or both, each the base64url of a SHA-256"
)]
pub struct UnknownConfirmation;

impl Confirmation {
    /// Reads the claim `cnf`; a token without it is bound to nothing.
    ///
    /// # Errors
    ///
    /// [`UnknownConfirmation`] for everything else than an object of the two known members.
    pub fn of(claims: &Claims) -> Result<Self, UnknownConfirmation> {
        let members = match claims.get("cnf") {
            None => return Ok(Self::default()),
            Some(Value::Object(members)) if !members.is_empty() => members,
            Some(_) => return Err(UnknownConfirmation),
        };
        let mut found = Self::default();
        for (name, value) in members {
            let thumbprint = thumbprint(value).ok_or(UnknownConfirmation)?;
            match name.as_str() {
                "jkt" => found.key = Some(thumbprint),
                "x5t#S256" => found.certificate = Some(thumbprint),
                _ => return Err(UnknownConfirmation),
            }
        }
        Ok(found)
    }

    /// Whether who presents this certificate, and a proof by this key, may use the token.
    pub fn is_met_by(&self, certificate: Option<&Thumbprint>, key: Option<&Thumbprint>) -> bool {
        let met = |bound: Option<&Thumbprint>, shown| bound.is_none() || bound == shown;
        met(self.certificate.as_ref(), certificate) && met(self.key.as_ref(), key)
    }
}

fn thumbprint(value: &Value) -> Option<Thumbprint> {
    URL_SAFE_NO_PAD.decode(value.as_str()?).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const SEVENS: &str = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc";

    fn of(cnf: Value) -> Result<Confirmation, UnknownConfirmation> {
        let Value::Object(claims) = json!({ "cnf": cnf }) else { unreachable!() };
        Confirmation::of(&Claims::from(claims))
    }

    #[test]
    fn a_token_without_cnf_is_bound_to_nothing() {
        let found = Confirmation::of(&Claims::from(serde_json::Map::new())).unwrap();
        assert_eq!(found, Confirmation::default());
        assert!(found.is_met_by(None, None) && found.is_met_by(Some(&[1; 32]), Some(&[2; 32])));
    }

    #[test]
    fn each_binding_asks_for_its_own_proof() {
        let key = of(json!({ "jkt": SEVENS })).unwrap();
        assert!(key.is_met_by(None, Some(&[7; 32])));
        assert!(!key.is_met_by(Some(&[7; 32]), None) && !key.is_met_by(None, Some(&[8; 32])));
        let certificate = of(json!({ "x5t#S256": SEVENS })).unwrap();
        assert!(certificate.is_met_by(Some(&[7; 32]), None));
        assert!(!certificate.is_met_by(None, Some(&[7; 32])));
        let both = of(json!({ "jkt": SEVENS, "x5t#S256": SEVENS })).unwrap();
        assert!(both.is_met_by(Some(&[7; 32]), Some(&[7; 32])));
        assert!(!both.is_met_by(Some(&[7; 32]), None) && !both.is_met_by(None, Some(&[7; 32])));
    }

    /// A token bound in a way we do not know must not become a bearer token.
    #[test]
    fn a_binding_that_cannot_be_checked_refuses() {
        for cnf in [
            json!(null),
            json!({}),
            json!([]),
            json!("jkt"),
            json!({ "kid": "k" }),
            json!({ "jkt": SEVENS, "kid": "k" }),
            json!({ "jkt": 7 }),
            json!({ "jkt": "" }),
            json!({ "jkt": "BwcH" }),
            json!({ "jkt": format!("{SEVENS}=") }),
            json!({ "x5t": SEVENS }),
        ] {
            assert_eq!(of(cnf.clone()), Err(UnknownConfirmation), "{cnf}");
        }
    }
}
