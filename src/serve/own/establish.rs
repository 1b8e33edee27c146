//! From an authorization code to a session: redeem, verify, keep.

use std::sync::Arc;
use std::time::Duration;

use http::header::HeaderValue;

use crate::base::secret::Secret;
use crate::base::time::Timestamp;
use crate::gate::{Reason, SignInDemand, would_admit};
use crate::identity::Identity;
use crate::oidc::discovery::Metadata;
use crate::oidc::grant::TokenResponse;
use crate::oidc::id_token::{self, Expectations, IdToken, IdTokenError};
use crate::remote::error_text;
use crate::remote::jwks::Unread;
use crate::remote::relying_party::ExchangeError;
use crate::remote::sessions::StoreError;
use crate::serve::own::desk::{Party, random};
use crate::serve::own::failure::Failure;
use crate::serve::own::login::demand;
use crate::serve::own::my_sessions;
use crate::serve::own::visit::Visit;
use crate::session::{
    Attempt, Parcel, Prompt, Revoked, Session, SessionId, Ticket, Tokens, carry_strength,
    keep_claims,
};
use crate::token::{Claims, KeySet};

/// A failure and what an operator may want to know of it.
pub(crate) type Failed = (Failure, Option<String>);

/// What an ID token is expected to answer.
pub(crate) struct Expected<'a> {
    /// What was sent, if anything was.
    pub(crate) nonce: Option<&'a str>,
    /// How long ago the person may have signed in, if that was asked.
    pub(crate) max_age: Option<Duration>,
    /// One of which must be the `acr`, if any were asked.
    pub(crate) acr_values: &'a [String],
}

/// A session was made.
pub(crate) struct Established {
    /// The `Set-Cookie` fields that bring it to the browser.
    pub(crate) cookies: Vec<HeaderValue>,
    /// Whether it is not enough for the page that was wanted: going there would lead here again.
    pub(crate) weak: bool,
    /// What another host is handed of it, if one wants it.
    pub(crate) parcel: Parcel,
}

/// Redeems `code` and makes a session of what it brings.
pub(crate) async fn establish(
    visit: &Visit<'_>,
    party: &Party,
    attempt: &Attempt,
    code: &Secret<String>,
) -> Result<Established, Failed> {
    let metadata = party.client.ready(party.client.settings().timeout).await;
    let metadata = metadata.map_err(|error| failed(&error))?;
    let redeemed =
        party.client.redeem(&metadata, code, &attempt.redirect_uri, &attempt.verifier).await;
    let tokens = redeemed.map_err(|error| failed(&error))?;
    let expected = Expected {
        nonce: Some(&attempt.nonce),
        max_age: attempt.asked.max_age,
        acr_values: &attempt.asked.acr_values,
    };
    let (token, keys) = verified(visit, party, &expected, &tokens).await?;
    let claims = completed(party, &metadata, &tokens, &token, &keys).await?;
    let before = visit.present().await.ok();
    let same = before.as_ref().map(|present| &present.session);
    let same = same.filter(|session| is_same_sign_in(party, attempt, &token, session));
    let session = match same {
        Some(before) => {
            let claims = carry_strength(claims, &before.claims);
            made(visit, party, &tokens, &token, &claims)?.ending_by(before.ends)
        }
        None => made(visit, party, &tokens, &token, &claims)?,
    };
    let weak = demand(visit, &attempt.return_to)
        .is_some_and(|demand| is_too_weak(visit, &demand, &session));
    let ticket = visit.desk.sessions.new_ticket(session.id).map_err(|error| unkept(&error))?;
    let cookies = kept(visit, &session, ticket.as_ref()).await?;
    visit.runtime.metrics.sessions().started(&session.provider);
    tracing::info!(
        provider = party.name(),
        session = ?session.id,
        "signed in"
    );
    let parcel = Parcel::of(&session, ticket.as_ref());
    Ok(Established { cookies, weak, parcel })
}

fn failed(error: &ExchangeError) -> Failed {
    let failure =
        if error.is_outage() { Failure::ProviderUnavailable } else { Failure::ExchangeFailed };
    (failure, Some(error_text(error)))
}

/// The ID token, verified by the provider's keys: those at hand, or newer ones if it was signed with a key that is new.
pub(crate) async fn verified(
    visit: &Visit<'_>,
    party: &Party,
    expected: &Expected<'_>,
    tokens: &TokenResponse,
) -> Result<(IdToken, Arc<KeySet>), Failed> {
    let refused =
        |error: &dyn std::error::Error| (Failure::IdentityRefused, Some(error_text(error)));
    let text = tokens.require_id_token().map_err(|error| refused(&error))?;
    let settings = party.client.settings();
    let expectations = Expectations {
        client_id: &settings.registration.client_id,
        nonce: expected.nonce,
        max_age: expected.max_age,
        acr_values: expected.acr_values,
        access_token: Some(tokens.access_token.expose()),
        max_iat_age: party.settings.id_token_max_age,
    };
    let verify = |keys: &KeySet| {
        id_token::verify(text.expose(), keys, &settings.rules, &expectations, visit.now)
    };
    let doubts = IdTokenError::key_doubt;
    let read = visit.runtime.keys.read(party.id(), text.expose(), verify, doubts).await;
    let (token, keys) = read.map_err(|unread| match unread {
        Unread::NoKeys => (Failure::ProviderUnavailable, Some("no keys yet".to_owned())),
        Unread::Refused(error @ (IdTokenError::AcrNotMet | IdTokenError::AuthTooOld)) => {
            (Failure::TooWeak, Some(error.to_string()))
        }
        Unread::Refused(error) | Unread::Unchanged(error) => refused(&error),
    })?;
    match token.missing(&party.settings.id_token_claims) {
        Some(name) => {
            let detail =
                format!("claim `{name}` of the ID token is not what `id_token_claims` says");
            Err((Failure::IdentityRefused, Some(detail)))
        }
        None => Ok((token, keys)),
    }
}

/// The claims of the ID token, and those of userinfo where it is asked.
async fn completed(
    party: &Party,
    metadata: &Metadata,
    tokens: &TokenResponse,
    token: &IdToken,
    keys: &KeySet,
) -> Result<Claims, Failed> {
    if !party.client.settings().userinfo {
        return Ok(token.claims().clone());
    }
    let answer = party.client.userinfo(metadata, &tokens.access_token, token.subject(), keys).await;
    let info = answer.map_err(|error| match error.is_outage() {
        true => (Failure::ProviderUnavailable, Some(error_text(&error))),
        false => (Failure::IdentityRefused, Some(error_text(&error))),
    })?;
    Ok(info.merge(token.claims()))
}

/// The session that comes of `tokens`, whose ID token is `token`.
pub(crate) fn made(
    visit: &Visit<'_>,
    party: &Party,
    tokens: &TokenResponse,
    token: &IdToken,
    claims: &Claims,
) -> Result<Session, Failed> {
    let no_randomness = || (Failure::StoreUnavailable, Some("no randomness".to_owned()));
    let id = SessionId::from_bytes(random().ok_or_else(no_randomness)?);
    let (now, limits) = (visit.now, &visit.sessions.limits);
    let ends =
        provider_end(claims).map_or(now + limits.absolute, |end| end.min(now + limits.absolute));
    let renewal = tokens
        .refresh_token
        .as_ref()
        // Where sessions are renewed out of the provider's own, a refresh token must not be taken for the name of one.
        .filter(|_| party.backend.is_none())
        .and_then(|_| party.settings.schedule.after(tokens.expires_in, now));
    Ok(Session {
        id,
        provider: party.name().to_owned(),
        client: party.client_id().to_owned(),
        issuer: party.issuer().to_owned(),
        subject: token.subject().to_owned(),
        sid: token.sid().map(str::to_owned),
        claims: keep_claims(claims, &visit.desk.keep),
        started: now,
        idle_until: (now + limits.idle).min(ends),
        ends,
        renewal,
        persistent: visit.desk.persistent,
        tokens: Tokens {
            refresh: tokens.refresh_token.clone().filter(|_| renewal.is_some()),
            access: Some(tokens.access_token.clone()),
            id: tokens.id_token.clone(),
        },
        renewals: 0,
    })
}

/// Whether the provider, unasked, went on with the very sign-in that `before` came of: then what it said of its strength still
/// holds, though it does not say it again.
fn is_same_sign_in(party: &Party, attempt: &Attempt, token: &IdToken, before: &Session) -> bool {
    let same_time = || {
        let of = |claims: &Claims| claims.get("auth_time").and_then(serde_json::Value::as_u64);
        of(token.claims()).is_some() && of(token.claims()) == of(&before.claims)
    };
    let same_sid = token.sid().is_some() && token.sid() == before.sid.as_deref();
    let newer = token.claims().get("auth_time").is_some() && !same_time();
    attempt.asked.prompt == Some(Prompt::None)
        && before.provider == party.name()
        && before.issuer == party.issuer()
        && before.subject == token.subject()
        && (same_sid || same_time())
        && !newer
}

/// When the provider wants the session to end, where it says so
/// ([`session_expiry`](https://openid.net/specs/ipsie-openid-sl1-profile-1_0.html)).
fn provider_end(claims: &Claims) -> Option<Timestamp> {
    claims.get("session_expiry")?.as_u64().map(Timestamp::from_secs)
}

/// Whether a route asks for a newer or stronger authentication than the session has.
pub(crate) fn is_too_weak(visit: &Visit<'_>, demand: &SignInDemand<'_>, session: &Session) -> bool {
    let identity = identity(visit, session);
    let verdict = identity.map(|identity| would_admit(demand.route, &identity, visit.now));
    matches!(verdict, Some(Err(Reason::AuthenticationTooOld | Reason::AuthenticationTooWeak)))
}

/// Whom the session is of, by the claims that it keeps.
pub(crate) fn identity(visit: &Visit<'_>, session: &Session) -> Option<Identity> {
    let party = visit.desk.party_named(&session.provider)?;
    let provider = visit.runtime.policy.provider(party.id())?;
    let issuer = Arc::clone(&provider.issuer);
    Identity::new(issuer, session.claims.clone(), &provider.claims, session.ends).ok()
}

/// Keeps the session, under its ticket if it is stored, and ends the one that the browser had: its id must not live on under
/// another's name.
pub(crate) async fn kept(
    visit: &Visit<'_>,
    session: &Session,
    ticket: Option<&Ticket>,
) -> Result<Vec<HeaderValue>, Failed> {
    let saved = visit.desk.sessions.save(session, ticket, visit.place(), visit.now).await;
    let value = saved.map_err(|error| unkept(&error))?;
    let note = my_sessions::noted(visit, session);
    if let Err(error) = visit.desk.sessions.note(session, &note).await {
        tracing::warn!(%error, "a session is stored without what lists say of it");
    }
    let chunks = visit.cookie().chunks_present(visit.headers());
    let lifetime = lifetime(visit, session);
    let cookies = visit.cookie().write(&value, lifetime, chunks);
    let cookies = cookies.map_err(|error| (Failure::CookieTooLarge, Some(error.to_string())))?;
    if let Some(before) = visit.former().await.filter(|before| *before != session.id) {
        let until = visit.desk.latest_end(&visit.runtime.policy, visit.now);
        let what = Revoked::Session(before);
        let ended = visit.desk.sessions.end(&what, visit.now, until, visit.now);
        if let Err(error) = ended.await {
            tracing::warn!(%error, "the browser's former session could not be ended in the store");
        }
    }
    Ok(cookies)
}

pub(crate) fn unkept(error: &StoreError) -> Failed {
    match error {
        StoreError::Ended => (Failure::SignedOutMeanwhile, None),
        StoreError::TooLarge(_) => (Failure::CookieTooLarge, Some(error.to_string())),
        StoreError::Damaged | StoreError::Late | StoreError::Unavailable(_) => {
            (Failure::StoreUnavailable, Some(error.to_string()))
        }
    }
}

fn lifetime(visit: &Visit<'_>, session: &Session) -> Option<Duration> {
    session.persistent.then(|| visit.now.until(session.ends))
}
