//! Where the three parts of the demo listen, and the configuration that connects them.

use std::net::SocketAddr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::base::secret::Secret;
use crate::token::SigningError;

/// The name of the SSO cookie.
pub(super) const COOKIE: &str = "sso";

/// The audience of the SSO cookie.
pub(super) const SSO_AUDIENCE: &str = "sso";

/// Sidegate's name at the provider, and the audience of all tokens but the SSO cookie.
pub(super) const CLIENT_ID: &str = "demo";

/// What sidegate and the login service share, and what seals sessions: made at each start.
#[derive(Clone, Debug)]
pub struct Secrets {
    pub(super) client_secret: Secret<String>,
    session_key: Secret<String>,
}

impl Secrets {
    /// New ones.
    ///
    /// # Errors
    /// [`SigningError::Library`] if there is no randomness to be had.
    pub fn generate() -> Result<Self, SigningError> {
        Ok(Self { client_secret: random()?, session_key: random()? })
    }
}

/// 256 random bits as base64url.
fn random() -> Result<Secret<String>, SigningError> {
    let mut bytes = [0; 32];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| SigningError::Library)?;
    Ok(Secret::new(URL_SAFE_NO_PAD.encode(bytes)))
}

/// Where the three parts of the demo listen. All share one host, for a browser keeps cookies by host and not by port: that
/// is how the login service's cookie reaches the app, as one apex domain would have it.
#[derive(Clone, Copy, Debug)]
pub struct Addresses {
    /// Sidegate, before the app: the address that people open.
    pub app: SocketAddr,
    /// The login service.
    pub login: SocketAddr,
    /// The echo app itself, which nobody but sidegate should reach.
    pub echo: SocketAddr,
}

impl Addresses {
    /// The origin that people open, without a final slash.
    pub fn app_url(&self) -> String {
        format!("http://{}", self.app)
    }

    /// The issuer of the tokens: the origin of the login service.
    pub fn issuer(&self) -> String {
        format!("http://{}", self.login)
    }

    /// The configuration of a sidegate that stands before the echo app, as one would write it in a file. It holds `secrets`,
    /// which are good for one run.
    pub fn configuration(&self, secrets: &Secrets) -> String {
        let (listen, issuer, echo) = (self.app, self.issuer(), self.echo);
        let (client, session) = (secrets.client_secret.expose(), secrets.session_key.expose());
        format!(
            r"listen: {listen}
providers:
  # People sign in here, and sidegate keeps their sessions.
  - name: {CLIENT_ID}
    issuer: {issuer}
    client_id: {CLIENT_ID}
    client_secret: {{ value: {client} }}
  # The same login service sets a cookie that is a JWT.
  - name: sso
    issuer: {issuer}
    audience: {SSO_AUDIENCE}
    cookie: {COOKIE}
    login_url: {issuer}/signin?rd={{return_to}}
session:
  keys: [{{ value: {session} }}]
upstreams:
  - {{ name: echo, servers: ['http://{echo}'] }}
routes:
  - match: {{ paths: [/*] }}
    providers: [{CLIENT_ID}]
    access: required
    upstream: echo
  - match: {{ paths: [/public, /public/*] }}
    access: public
    upstream: echo
  - match: {{ paths: [/guest, /guest/*] }}
    providers: [{CLIENT_ID}]
    access: optional
    sign_in: {{ silent: probe, probe_interval: 1m }}
    upstream: echo
  - match: {{ paths: [/admin, /admin/*] }}
    providers: [{CLIENT_ID}]
    access: required
    require: {{ groups_any: [admin] }}
    upstream: echo
  - match: {{ paths: [/fresh, /fresh/*] }}
    providers: [{CLIENT_ID}]
    access: required
    require: {{ max_auth_age: 1m }}
    upstream: echo
  - match: {{ paths: [/mfa, /mfa/*] }}
    providers: [{CLIENT_ID}]
    access: required
    require: {{ acr_any: [mfa] }}
    upstream: echo
  - match: {{ paths: [/sso, /sso/*] }}
    providers: [sso]
    access: required
    upstream: echo
"
        )
    }
}

#[cfg(test)]
pub(super) fn samples() -> Addresses {
    let at = |port| SocketAddr::from(([127, 0, 0, 1], port));
    Addresses { app: at(8080), login: at(9090), echo: at(3000) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_new_each_time_and_not_for_logs() {
        let (one, other) = (Secrets::generate().unwrap(), Secrets::generate().unwrap());
        assert_ne!(one.client_secret.expose(), other.client_secret.expose());
        assert!(!format!("{one:?}").contains(one.client_secret.expose()));
        assert!(!format!("{one:?}").contains(one.session_key.expose()));
    }

    #[test]
    fn configuration_is_yaml_that_names_all_three_addresses() {
        let text = samples().configuration(&Secrets::generate().unwrap());
        let file: serde_yaml::Value = serde_yaml::from_str(&text).unwrap();
        assert_eq!(file["listen"], "127.0.0.1:8080");
        assert_eq!(
            file["providers"][1]["login_url"],
            "http://127.0.0.1:9090/signin?rd={return_to}"
        );
        assert_eq!(file["upstreams"][0]["servers"][0], "http://127.0.0.1:3000");
        assert_eq!(file["routes"].as_sequence().unwrap().len(), 7);
    }
}
