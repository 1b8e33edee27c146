//! From an app on a device to a web view: the app shows a token, and gets an address that signs a browser in, once and within a minute.
//!
//! Two tokens do. An access token counts as it would for the page that is wanted: the gate judges it, by the rules of that page's route. An
//! ID token and a device secret are exchanged at the provider for tokens of ours
//! ([OpenID Connect Native SSO](https://openid.net/specs/openid-connect-native-sso-1_0.html),
//! [RFC 8693](https://www.rfc-editor.org/rfc/rfc8693)). Cookies count for nothing here, so that no other site can ask.

use http::header::{self, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use serde_json::json;
use url::form_urlencoded;

use crate::base::secret::Secret;
use crate::gate::{Caller, CredentialKind, Decision, RequestView, Target};
use crate::oidc::grant::{DEVICE_SECRETS, GrantError, ID_TOKEN, TOKEN_EXCHANGE};
use crate::remote::error_text;
use crate::remote::relying_party::ExchangeError;
use crate::remote::replay::{FirstUse, OneTime};
use crate::serve::callers::Memo;
use crate::serve::gatekeeper::decide;
use crate::serve::own::desk::{Party, random};
use crate::serve::own::establish::{Expected, Failed, kept, made, unkept, verified};
use crate::serve::own::failure::Failure;
use crate::serve::own::links::back;
use crate::serve::own::visit::{Visit, only};
use crate::serve::reply::Reply;
use crate::session::{Pass, ReturnTo, Session, SessionId, Tokens, keep_claims};

/// Why there is no address, in the words of [RFC 6749 §5.2](https://www.rfc-editor.org/rfc/rfc6749#section-5.2) and
/// [RFC 6750 §3.1](https://www.rfc-editor.org/rfc/rfc6750#section-3.1).
enum Refused {
    /// The token does not open the page.
    Forbidden,
    /// The provider does not take the tokens.
    Grant,
    /// The request is not as it should be.
    Request(&'static str),
    /// The access token does not hold, or is none that may be exchanged.
    Token,
    /// Nobody can tell at the moment.
    Unavailable,
}

/// Answers a device with a one-time address, where a provider allows that.
pub(crate) async fn exchange(visit: &Visit<'_>) -> Reply {
    if !visit.desk.parties().iter().any(|party| party.settings.exchange.is_some()) {
        return Reply::not_found(visit.asker);
    }
    match exchanged(visit).await {
        Ok(address) => {
            let body = json!({ "url": address, "expires_in": Pass::LIFETIME.as_secs() });
            Reply::json(body.to_string())
        }
        Err(refused) => refusal(&refused),
    }
}

async fn exchanged(visit: &Visit<'_>) -> Result<String, Refused> {
    let twice = |_| Refused::Request("a parameter is there twice");
    let return_to = only(visit.body, "return_to").map_err(twice)?;
    let return_to = visit.return_to(return_to.as_deref()).ok().filter(ReturnTo::is_local);
    let return_to = return_to.ok_or(Refused::Request("return_to: expected a path"))?;
    let grant = only(visit.body, "grant_type").map_err(twice)?;
    let session = match grant.as_deref() {
        None => by_access_token(visit, &return_to).await?,
        Some(TOKEN_EXCHANGE) => by_device_secret(visit).await?,
        Some(_) => return Err(Refused::Request("grant_type: expected token-exchange, or none")),
    };
    let (id, nonce) = random().zip(visit.desk.nonce()).ok_or(Refused::Unavailable)?;
    let pass = Pass { id, created: visit.now, return_to, session };
    let origin = visit.origin().ok_or(Refused::Unavailable)?.text();
    let text = pass.seal(&visit.sessions.keys, &origin, nonce).map_err(|error| {
        tracing::error!(%error, "a session does not fit into an address");
        Refused::Unavailable
    })?;
    tracing::info!(provider = pass.session.provider, session = ?pass.session.id, "a device asks for a browser's session");
    Ok(format!("{}{}/enter?pass={text}", visit.base(), visit.prefix()))
}

/// The access token must open the page that is wanted.
async fn by_access_token(visit: &Visit<'_>, return_to: &ReturnTo) -> Result<Session, Refused> {
    let malformed = |_| Refused::Request("return_to: expected a path");
    let target = return_to.target().map(Target::parse).ok_or(Refused::Token)?;
    let target = target.map_err(malformed)?;
    let request = RequestView { method: &Method::GET, target, ..visit.request };
    let verdict = decide(visit.runtime, request, &mut Memo::default(), visit.now).await;
    let permit = match verdict.decision {
        Decision::Allow(permit) => permit,
        Decision::Forbid(_) => return Err(Refused::Forbidden),
        Decision::Unavailable(_) => return Err(Refused::Unavailable),
        _ => return Err(Refused::Token),
    };
    let caller = permit.caller().filter(|_| permit.kind() == Some(CredentialKind::Bearer));
    let caller = caller.ok_or(Refused::Token)?;
    let party = visit.desk.party(caller.provider()).ok_or(Refused::Token)?;
    let allowed = party.settings.exchange.as_ref().is_some_and(|it| it.access_tokens);
    if !allowed {
        return Err(Refused::Token);
    }
    session_of(visit, party, caller).ok_or(Refused::Unavailable)
}

/// It ends with the token: there is nothing to renew it by.
fn session_of(visit: &Visit<'_>, party: &Party, caller: &Caller) -> Option<Session> {
    let (now, limits, identity) = (visit.now, &visit.sessions.limits, caller.identity());
    let ends = identity.expires().min(now + limits.absolute);
    Some(Session {
        id: SessionId::from_bytes(random()?),
        provider: party.name().to_owned(),
        client: party.client_id().to_owned(),
        issuer: party.issuer().to_owned(),
        subject: identity.user().to_owned(),
        sid: identity.claims().text("sid").map(str::to_owned),
        claims: keep_claims(identity.claims(), &visit.desk.keep),
        started: now,
        idle_until: (now + limits.idle).min(ends),
        ends,
        renewal: None,
        persistent: visit.desk.persistent,
        tokens: Tokens::default(),
        renewals: 0,
    })
}

/// The provider must take the device's secret, and give us tokens of our own for it.
async fn by_device_secret(visit: &Visit<'_>) -> Result<Session, Refused> {
    let field = |name| only(visit.body, name).ok().flatten();
    let takes = |party: &&Party| {
        party.settings.exchange.as_ref().is_some_and(|settings| settings.device_secrets)
    };
    let mut parties = visit.desk.parties().iter().filter(takes);
    let party = match field("provider") {
        Some(name) => parties.find(|party| party.name() == name),
        None => parties.next().filter(|_| parties.next().is_none()),
    };
    let party = party.ok_or(Refused::Request("provider: expected one that allows it"))?;
    if field("subject_token_type").as_deref() != Some(ID_TOKEN) {
        return Err(Refused::Request("subject_token_type: expected that of ID tokens"));
    }
    let kind = field("actor_token_type").unwrap_or_default();
    let kind = DEVICE_SECRETS.into_iter().find(|known| *known == kind);
    let kind = kind.ok_or(Refused::Request("actor_token_type: expected that of device secrets"))?;
    let token = |name| field(name).filter(|text| !text.is_empty());
    let (Some(id_token), Some(secret)) = (token("subject_token"), token("actor_token")) else {
        return Err(Refused::Request("expected subject_token and actor_token"));
    };
    let secrets = (Secret::new(id_token.into_owned()), Secret::new(secret.into_owned()));
    let audience = party.settings.exchange.as_ref().and_then(|it| it.audience.as_deref());
    let audience = audience.unwrap_or_else(|| party.issuer());
    let metadata = party.client.ready(party.client.settings().timeout).await;
    let metadata = metadata.map_err(|_| Refused::Unavailable)?;
    let tokens = party.client.exchange(&metadata, &secrets, kind, audience).await;
    let tokens = tokens.map_err(|error| refused(party, &error))?;
    let expected = Expected { nonce: None, max_age: None, acr_values: &[] };
    let verified = verified(visit, party, &expected, &tokens).await;
    let session = match verified {
        Ok((token, _)) => made(visit, party, &tokens, &token, token.claims()),
        Err(failed) => Err(failed),
    };
    session.map_err(|(failure, detail)| {
        tracing::warn!(code = failure.code(), detail, "an exchange of tokens came to nothing");
        match failure {
            Failure::ProviderUnavailable | Failure::StoreUnavailable => Refused::Unavailable,
            _ => Refused::Grant,
        }
    })
}

fn refused(party: &Party, error: &ExchangeError) -> Refused {
    tracing::warn!(
        provider = party.name(),
        error = error_text(error),
        "an exchange of tokens failed"
    );
    match error {
        ExchangeError::Grant(GrantError::Refused { .. }) => Refused::Grant,
        _ => Refused::Unavailable,
    }
}

fn refusal(refused: &Refused) -> Reply {
    let (status, error, description) = match refused {
        Refused::Forbidden => (StatusCode::FORBIDDEN, "access_denied", None),
        Refused::Grant => (StatusCode::BAD_REQUEST, "invalid_grant", None),
        Refused::Request(why) => (StatusCode::BAD_REQUEST, "invalid_request", Some(*why)),
        Refused::Token => (StatusCode::UNAUTHORIZED, "invalid_token", None),
        Refused::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", None),
    };
    let mut body = json!({ "error": error });
    if let Some(description) = description {
        body["error_description"] = description.into();
    }
    let reply = Reply::json(body.to_string()).with_status(status);
    match refused {
        Refused::Token => reply.with(
            header::WWW_AUTHENTICATE,
            HeaderValue::from_static("Bearer error=\"invalid_token\""),
        ),
        Refused::Unavailable => reply.with(header::RETRY_AFTER, HeaderValue::from_static("5")),
        _ => reply,
    }
}

/// Signs in the browser that opens the address. One that another site leads here is not, and none takes the place of another person's session: what
/// somebody else made must not end up in a browser unnoticed.
pub(crate) async fn enter(visit: &Visit<'_>) -> Reply {
    let Some(origin) = visit.origin() else { return Reply::not_found(visit.asker) };
    let pass = form_urlencoded::parse(visit.query().as_bytes()).find(|(name, _)| name == "pass");
    let pass = pass.ok_or_else(|| "expected a pass".to_owned()).and_then(|(_, text)| {
        Pass::open(&visit.sessions.keys, &origin.text(), &text).map_err(|error| error.to_string())
    });
    let pass = match pass {
        Ok(pass) => pass,
        Err(why) => return Failure::StateInvalid.reply(visit, Some(&why), None),
    };
    match entered(visit, &pass).await {
        Ok(reply) => reply,
        Err((failure, detail)) => failure.reply(visit, detail.as_deref(), None),
    }
}

async fn entered(visit: &Visit<'_>, pass: &Pass) -> Result<Reply, Failed> {
    let strange = |why: &str| (Failure::StateInvalid, Some(why.to_owned()));
    used_first(visit, pass).await?;
    let site = visit.headers().get(HeaderName::from_static("sec-fetch-site"));
    if site.is_some_and(|site| !matches!(site.as_bytes(), b"none" | b"same-origin")) {
        return Err(strange("another site led here"));
    }
    let session = &pass.session;
    let other = visit.present().await.ok().map(|present| present.session);
    if other
        .is_some_and(|other| (&other.issuer, &other.subject) != (&session.issuer, &session.subject))
    {
        return Err(strange("somebody else is signed in"));
    }
    if visit.desk.revocations.is_revoked(session, visit.now) {
        return Err((Failure::SignedOutMeanwhile, None));
    }
    let ticket = visit.desk.sessions.new_ticket(session.id).map_err(|error| unkept(&error))?;
    let cookies = kept(visit, session, ticket.as_ref()).await?;
    visit.runtime.metrics.sessions().started(&session.provider);
    tracing::info!(provider = session.provider, session = ?session.id, "signed in by a device");
    Ok(back(&pass.return_to).with_cookies(cookies))
}

async fn used_first(visit: &Visit<'_>, pass: &Pass) -> Result<(), Failed> {
    let over = |why: &str| (Failure::AttemptExpired, Some(why.to_owned()));
    if pass.is_over(visit.now) {
        return Err(over("the address is too old"));
    }
    let (sessions, uses) = (Some(&*visit.desk.sessions), &visit.desk.first_uses);
    let (what, id, until) = (OneTime::Pass, &pass.id, pass.ends());
    match uses.claim_everywhere(sessions, (what, "", id), until, visit.now).await {
        FirstUse::Again => Err(over("the address was used before")),
        FirstUse::First => Ok(()),
        FirstUse::Unknown => {
            let why = "nobody can tell whether the address was used before".to_owned();
            Err((Failure::StoreUnavailable, Some(why)))
        }
    }
}
