//! The way to a login service of one's own, where the provider keeps sessions for backends: it asks people who they are, with the
//! provider's help, and tells us the session that comes of it.

use url::Url;

use crate::serve::own::desk::{Party, random};
use crate::serve::own::visit::Visit;
use crate::session::{Attempt, Handle, HandleKind};

/// The address of the login service at `url` for an attempt, with what it needs to know: `return_to`, where the person goes afterwards;
/// `state` and `adopt`, with which it hands in the session; `handle`, by which it learns of the session that is not strong enough, if
/// there is one; and what the page asks for.
pub(crate) async fn address(
    visit: &Visit<'_>,
    party: &Party,
    url: &Url,
    (attempt, state): (&Attempt, &str),
) -> String {
    let mut url = url.clone();
    let return_to = attempt.return_to.as_str();
    let return_to =
        if return_to.starts_with('/') { visit.base() + return_to } else { return_to.to_owned() };
    let handle = handle(visit, party).await;
    let asked = &attempt.asked;
    let mut query = url.query_pairs_mut();
    query.append_pair("return_to", &return_to).append_pair("state", state);
    query.append_pair("adopt", &format!("{}{}/adopt", visit.desk_base(), visit.prefix()));
    if let Some(handle) = handle {
        query.append_pair("handle", &handle);
    }
    if let Some(prompt) = asked.prompt {
        query.append_pair("prompt", prompt.name());
    }
    if let Some(age) = asked.max_age {
        query.append_pair("max_age", &age.as_secs().to_string());
    }
    if !asked.acr_values.is_empty() {
        query.append_pair("acr_values", &asked.acr_values.join(" "));
    }
    drop(query);
    url.into()
}

/// A reference to the session that the browser has already, for a login service that can redeem it.
async fn handle(visit: &Visit<'_>, party: &Party) -> Option<String> {
    party.settings.backend.as_ref()?.secret.as_ref()?;
    let present = visit.present().await.ok()?;
    let own = visit.desk.party_named(&present.session.provider)?;
    if !party.shares_sessions_with(own) {
        return None;
    }
    let newest = visit.desk.renewals.latest(&present.session);
    let handle = Handle {
        id: random()?,
        created: visit.now,
        provider: party.name().to_owned(),
        session_id: newest.tokens.refresh.clone()?,
        state: String::new(),
    };
    Some(handle.seal(&visit.sessions.keys, HandleKind::StepUp, visit.desk.nonce()?))
}
