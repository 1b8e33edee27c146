//! Who we are at a provider, and how we prove it at its endpoints
//! ([RFC 6749 §2.3](https://www.rfc-editor.org/rfc/rfc6749#section-2.3),
//! [OpenID Connect Core 1.0 §9](https://openid.net/specs/openid-connect-core-1_0.html#ClientAuthentication)).

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use serde_json::json;
use url::form_urlencoded::byte_serialize;

use crate::base::secret::Secret;
use crate::base::time::Timestamp;
use crate::oidc::Form;
use crate::token::{SigningError, SigningKey};

/// How long a client assertion is good for: one request, and some disagreement of clocks.
const ASSERTION_LIFE: Duration = Duration::from_secs(60);

/// The registered name of assertions that are tokens ([RFC 7523 §2.2](https://www.rfc-editor.org/rfc/rfc7523#section-2.2)).
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// This client at one provider.
#[derive(Clone, Debug)]
pub struct Registration {
    /// Its name there.
    pub client_id: String,
    /// How it proves to be itself.
    pub authentication: ClientAuthentication,
}

/// How a client proves to be itself.
#[derive(Clone, Debug)]
pub enum ClientAuthentication {
    /// `client_secret_basic`: the secret in a header.
    Basic(Secret<String>),
    /// `none`: a public client.
    None,
    /// `client_secret_post`: the secret in the form.
    Post(Secret<String>),
    /// `private_key_jwt`: a signed assertion ([RFC 7523](https://www.rfc-editor.org/rfc/rfc7523)).
    PrivateKeyJwt(Arc<SigningKey>),
}

/// What an assertion says besides who we are.
#[derive(Clone, Copy, Debug)]
pub struct AssertionContext<'a> {
    /// Whom it is for: the issuer, or the endpoint at providers that want that.
    pub audience: &'a str,
    /// The time.
    pub now: Timestamp,
    /// Unique: 16 random bytes, encoded.
    pub jti: &'a str,
}

impl ClientAuthentication {
    /// The registered name of the method.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Basic(_) => "client_secret_basic",
            Self::None => "none",
            Self::Post(_) => "client_secret_post",
            Self::PrivateKeyJwt(_) => "private_key_jwt",
        }
    }
}

impl Registration {
    /// Adds to `form` what proves who we are; the answer is a header to send with it.
    ///
    /// # Errors
    /// [`SigningError`] if an assertion cannot be signed.
    pub fn authenticate(
        &self,
        form: &mut Form,
        context: AssertionContext<'_>,
    ) -> Result<Option<HeaderValue>, SigningError> {
        match &self.authentication {
            ClientAuthentication::Basic(secret) => {
                return Ok(Some(basic(&self.client_id, secret)));
            }
            ClientAuthentication::None => self.name_itself(form),
            ClientAuthentication::Post(secret) => {
                self.name_itself(form);
                form.push("client_secret", secret.expose().as_str());
            }
            ClientAuthentication::PrivateKeyJwt(key) => {
                self.name_itself(form);
                form.push("client_assertion_type", JWT_BEARER);
                form.push("client_assertion", self.assertion(key, context)?);
            }
        }
        Ok(None)
    }

    /// A pushed request has the name already, and no parameter may occur twice.
    fn name_itself(&self, form: &mut Form) {
        if form.value("client_id").is_none() {
            form.push("client_id", self.client_id.as_str());
        }
    }

    /// [RFC 7523 §3](https://www.rfc-editor.org/rfc/rfc7523#section-3).
    fn assertion(
        &self,
        key: &SigningKey,
        context: AssertionContext<'_>,
    ) -> Result<String, SigningError> {
        let claims = json!({
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": context.audience,
            "jti": context.jti,
            "iat": context.now.as_secs(),
            "exp": (context.now + ASSERTION_LIFE).as_secs(),
        });
        key.sign(&claims, "JWT")
    }
}

/// Name and secret are form-urlencoded before they are joined
/// ([RFC 6749 §2.3.1](https://www.rfc-editor.org/rfc/rfc6749#section-2.3.1)), so that neither can have a colon.
fn basic(client_id: &str, secret: &Secret<String>) -> HeaderValue {
    let mut pair = String::with_capacity(3 * (client_id.len() + secret.expose().len()) + 1);
    pair.extend(byte_serialize(client_id.as_bytes()));
    pair.push(':');
    pair.extend(byte_serialize(secret.expose().as_bytes()));
    let pair = Secret::new(pair);
    let text = Secret::new(format!("Basic {}", STANDARD.encode(pair.expose())));
    let mut value =
        HeaderValue::from_str(text.expose()).expect("base64 is made of visible characters");
    value.set_sensitive(true);
    value
}

#[cfg(test)]
mod tests;
