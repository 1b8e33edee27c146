//! What of a sign-out concerns the provider: the address of its own, and the tokens that are shown and given back there.

use std::sync::Arc;
use std::time::Duration;

use url::Url;

use crate::base::secret::Secret;
use crate::gate::SignInFlow;
use crate::oidc::logout::{LogoutRequest, sign_out_url};
use crate::oidc::revocation::TokenHint;
use crate::remote::error_text;
use crate::remote::relying_party::HintRule;
use crate::serve::own::desk::{Party, random};
use crate::serve::own::sign_out::After;
use crate::serve::own::visit::Visit;
use crate::session::{Parting, SessionId, Tokens};
use crate::token::Jwt;

/// The longest ID token that is looked at, in bytes.
const MAX_HINT_BYTES: usize = 64 * 1024;

/// How long a fresh ID token must still be good: the browser needs a moment to the provider.
const HINT_MARGIN: Duration = Duration::from_secs(10);

/// Ends at the provider what a session here came of, whose last `tokens` these are. The address of the provider's own sign-out, if the
/// browser is to go there.
pub(super) async fn leave(
    visit: &Visit<'_>,
    party: &Party,
    (id, tokens): (SessionId, Tokens),
    after: &After,
) -> Option<String> {
    if let (Some(backend), Some(id)) = (&party.backend, &tokens.refresh) {
        backend.end(id);
        return None;
    }
    let last = last_tokens(visit, party, tokens).await;
    if let Some(refresh) = last.refresh {
        revoke(party, refresh);
    }
    if party.client.settings().logout.hint == HintRule::Any || last.id.is_some() {
        let leaving = LeavingSession { id, hint: last.id.as_ref() };
        return at_provider(visit, party, leaving, after);
    }
    if visit.desk.sign_out.at_provider {
        let provider = party.name();
        tracing::warn!(
            provider,
            "there is no ID token that has not run out: the person is signed out here alone"
        );
    }
    None
}

/// Where nobody has a session of ours, but a cookie of a provider that signs people in by its own: only that can end it.
pub(super) fn sso_sign_out(visit: &Visit<'_>, after: &After) -> Option<String> {
    let has_cookie = |party: &&Party| {
        let provider = visit.runtime.policy.provider(party.id());
        let resolver = provider.and_then(|provider| provider.resolver.as_ref());
        let offered = resolver.map(|resolver| resolver.offered(visit.headers(), None));
        party.settings.flow == SignInFlow::Cookie && !matches!(offered, None | Some(Ok(None)))
    };
    let party = visit.desk.parties().iter().find(has_cookie)?;
    // There is no session that it could be named by.
    let leaving = LeavingSession { id: SessionId::from_bytes(random()?), hint: None };
    at_provider(visit, party, leaving, after)
}

/// The tokens with which a session leaves its provider: the ID token so fresh as the provider wants it, or none.
async fn last_tokens(visit: &Visit<'_>, party: &Party, tokens: Tokens) -> Tokens {
    let settings = party.client.settings();
    let is_good = |token: &Secret<String>| {
        let jwt = Jwt::parse(token.expose(), MAX_HINT_BYTES);
        let later = visit.now + settings.rules.leeway + HINT_MARGIN;
        jwt.is_ok_and(|jwt| jwt.claims_hold(&settings.rules, later))
    };
    let wanted = visit.desk.sign_out.at_provider && settings.logout.hint == HintRule::Fresh;
    if !wanted || tokens.id.as_ref().is_some_and(is_good) {
        return tokens;
    }
    let (Some(refresh), Some(metadata)) = (&tokens.refresh, party.client.metadata().current())
    else {
        return Tokens { id: None, ..tokens };
    };
    match party.client.refresh(&metadata, refresh).await {
        Ok(answer) => Tokens {
            refresh: answer.refresh_token.or(tokens.refresh),
            id: answer.id_token.filter(is_good),
            access: None,
        },
        Err(error) => {
            let error = error_text(&error);
            tracing::warn!(provider = party.name(), error, "no fresh ID token for signing out");
            Tokens { id: None, ..tokens }
        }
    }
}

/// What the provider is told of the session that was ended.
#[derive(Clone, Copy)]
struct LeavingSession<'a> {
    id: SessionId,
    hint: Option<&'a Secret<String>>,
}

/// The provider's own sign-out, if it has one and shall be asked
/// ([RP-Initiated Logout 1.0 §2](https://openid.net/specs/openid-connect-rpinitiated-1_0.html#RPLogout)).
fn at_provider(
    visit: &Visit<'_>,
    party: &Party,
    session: LeavingSession<'_>,
    after: &After,
) -> Option<String> {
    if !visit.desk.sign_out.at_provider {
        return None;
    }
    let metadata = party.client.metadata().current()?;
    let settings = &party.client.settings().logout;
    let page = format!("{}{}/signed-out", visit.desk_base(), visit.prefix());
    let address = match after {
        After::There(address) if Url::parse(address).is_ok() => address.clone(),
        After::Page | After::There(_) => page,
    };
    let parting = Parting { session: session.id, created: visit.now };
    let host = visit.sessions.home.as_ref().map_or_else(|| visit.host(), |home| &home.host);
    let state = visit.desk.nonce().map(|nonce| parting.seal(&visit.sessions.keys, host, nonce));
    let request = LogoutRequest {
        id_token_hint: session.hint,
        client_id: party.client_id(),
        post_logout_redirect_uri: Some(&address),
        state: state.as_deref(),
        extra: &settings.extra,
    };
    let endpoint = metadata.endpoints.end_session.as_ref();
    sign_out_url(settings.style, party.issuer(), endpoint, &request)
}

/// In the background: the person need not wait for it ([RFC 7009](https://www.rfc-editor.org/rfc/rfc7009)).
fn revoke(party: &Party, token: Secret<String>) {
    let client = Arc::clone(&party.client);
    let name = party.name().to_owned();
    tokio::spawn(async move {
        let Some(metadata) = client.metadata().current() else { return };
        if metadata.endpoints.revocation.is_none() {
            return;
        }
        let outcome = client.revoke(&metadata, &token, TokenHint::Refresh).await;
        match outcome {
            Ok(outcome) => tracing::debug!(provider = name, ?outcome, "refresh token revoked"),
            Err(error) => {
                let error = error_text(&error);
                tracing::warn!(provider = name, error, "refresh token could not be revoked");
            }
        }
    });
}
