//! The end of a sign-in: asked for by the person or by the client, and told to the client
//! ([RP-Initiated Logout 1.0](https://openid.net/specs/openid-connect-rpinitiated-1_0.html),
//! [Back-Channel Logout 1.0](https://openid.net/specs/openid-connect-backchannel-1_0.html)).

use std::time::Duration;

use url::Url;

use super::super::fields::Fields;
use super::super::tokens;
use super::Provider;
use super::book::random_name;
use super::session::SignedIn;
use crate::base::secret::Secret;
use crate::oidc::Form;
use crate::remote::egress::Egress;
use crate::remote::http::{Client, Target};
use crate::token::{Algorithm, Jwt, KeySet, Rules, SigningError, TypeRule};

/// The longest hint that is read, in bytes.
const MAX_HINT_BYTES: usize = 16 * 1024;

/// A hint may have expired long ago (RP-Initiated Logout §2); keys of the demo live no longer than it.
const HINT_LEEWAY: Duration = Duration::from_secs(365 * 24 * 3600);

/// How long the client may take to hear of a logout.
const NOTICE_DEADLINE: Duration = Duration::from_secs(3);

/// A logout that the client is still to be told of.
#[derive(Clone, Debug)]
pub(in super::super) struct Notice {
    url: Url,
    token: Secret<String>,
}

/// What becomes of a request to end a session.
#[derive(Debug)]
pub(in super::super) enum Ending {
    /// The person must say so: anybody could have sent them.
    Ask,
    /// It is over. Where the browser goes on to, if the client said so and may, and what must be told.
    Over(Option<String>, Option<Notice>),
    /// A page that says why not.
    Refused(&'static str),
}

impl Notice {
    /// Where it goes, and the token.
    #[cfg(test)]
    pub(super) fn shown(self) -> (String, String) {
        (self.url.into(), self.token.expose().clone())
    }

    /// Tells the client. That it cannot be reached is its own loss: the demo's client lives in the same process.
    pub(in super::super) async fn deliver(self, client: &Client) {
        let body = Form::new().with("logout_token", self.token.expose().as_str()).encode();
        let (egress, deadline) = (Egress::Configured, NOTICE_DEADLINE);
        let target = Target { url: &self.url, egress, deadline };
        if let Err(error) = client.post_form(target, None, &body).await {
            tracing::warn!(%error, "the demo's client could not be told of a logout");
        }
    }
}

impl Provider {
    /// Answers a client that sends somebody to sign out.
    ///
    /// # Errors
    /// If the crypto library fails.
    pub(in super::super) fn end_session(
        &self,
        fields: &Fields,
        cookie: Option<&str>,
    ) -> Result<Ending, SigningError> {
        let hint = match fields.value("id_token_hint").map(|hint| self.hinted(hint)) {
            Some(None) => return Ok(Ending::Refused("The ID token is not one of ours.")),
            Some(Some(sid)) => Some(sid),
            None => None,
        };
        let session = self.signed_in(cookie);
        match (hint, session) {
            (Some(sid), Some(session)) if session.sid != sid => Ok(Ending::Ask),
            (None, Some(_)) => Ok(Ending::Ask),
            (Some(_) | None, _) => self.sign_out(fields, cookie),
        }
    }

    /// Ends the session of the browser with `cookie`: the person wants it.
    ///
    /// # Errors
    /// If the crypto library fails.
    pub(in super::super) fn sign_out(
        &self,
        fields: &Fields,
        cookie: Option<&str>,
    ) -> Result<Ending, SigningError> {
        let Ok(location) = self.after_logout(fields) else {
            return Ok(Ending::Refused(
                "The address to go on to is not one that the client registered.",
            ));
        };
        let now = self.clock.now();
        let session = cookie.and_then(|cookie| self.state.lock().sessions.take(cookie, now));
        let notice = session.map(|session| self.end(&session)).transpose()?.flatten();
        Ok(Ending::Over(location, notice))
    }

    /// Ends what followed from a session that is already struck out, and says who must hear of it.
    pub(super) fn end(&self, session: &SignedIn) -> Result<Option<Notice>, SigningError> {
        let mut state = self.state.lock();
        state.codes.strike(|code| code.is_of(&session.sid));
        state.access.strike(|grant| grant.sid == session.sid);
        state.families.strike(|family| family.grant.sid == session.sid);
        drop(state);
        if !session.is_known_to_client {
            return Ok(None);
        }
        let whom = (session.person.id, session.sid.as_str());
        let claims = tokens::logout(&self.issuer, whom, &random_name()?, self.clock.now());
        let token = Secret::new(self.keys.sign(&claims, "logout+jwt")?);
        Ok(Some(Notice { url: self.registration.backchannel_logout_uri.clone(), token }))
    }

    /// The session that an ID token of ours is about.
    fn hinted(&self, hint: &str) -> Option<String> {
        let document = self.keys.document().to_string();
        let keys = KeySet::parse(document.as_bytes()).ok()?.keys;
        let rules = Rules {
            issuer: self.issuer.clone(),
            audiences: vec![self.registration.id.to_owned()],
            clients: None,
            client_claims: Vec::new(),
            algorithms: std::iter::once(Algorithm::Es256).collect(),
            types: TypeRule::Plain,
            leeway: HINT_LEEWAY,
        };
        let token = Jwt::parse(hint, MAX_HINT_BYTES).ok()?;
        let token = token.verify(&keys, &rules, self.clock.now()).ok()?;
        token.claims().string("sid").ok()?.map(str::to_owned)
    }

    /// Where a sign-out leads, if anywhere.
    ///
    /// # Errors
    /// If it is not the client's to say.
    fn after_logout(&self, fields: &Fields) -> Result<Option<String>, ()> {
        let Some(asked) = fields.value("post_logout_redirect_uri") else { return Ok(None) };
        let is_other = fields.value("client_id").is_some_and(|id| id != self.registration.id);
        let known = self.registration.post_logout_uri(asked).filter(|_| !is_other).ok_or(())?;
        let mut url = Url::parse(known).map_err(|_| ())?;
        if let Some(state) = fields.value("state") {
            url.query_pairs_mut().append_pair("state", state);
        }
        Ok(Some(url.into()))
    }
}
