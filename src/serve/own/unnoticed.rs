//! Sign-ins that nobody was to notice (`prompt=none`), and that came to nothing: people go on as they were, and their provider is left
//! in peace for a while.

use http::header::HeaderValue;

use crate::gate::{Scheme, Silent};
use crate::serve::own::failure::Failure;
use crate::serve::own::hand_over::hand_over;
use crate::serve::own::links::back;
use crate::serve::own::login::demand;
use crate::serve::own::visit::Visit;
use crate::serve::reply::Reply;
use crate::session::{Attempt, Parcel, Referral, ReturnTo};

/// For how long a provider's no counts where no route says so.
const INTERVAL_SECONDS: u64 = 900;

/// Back to the page, at the host of `referral` if there is one: as a guest, or with the session that is there.
pub(crate) fn go_on(visit: &Visit<'_>, referral: Option<&Referral>, return_to: &ReturnTo) -> Reply {
    match referral {
        Some(referral) => hand_over(visit, referral, return_to, Parcel::Nobody),
        None => back(return_to).with_cookies(probed(visit, return_to)),
    }
}

/// The answer where a sign-in that nobody was to notice failed by a fault. Whoever has a session keeps it and does not notice; others
/// are told, once.
pub(crate) async fn fail(
    visit: &Visit<'_>,
    attempt: &Attempt,
    failure: Failure,
    detail: Option<&str>,
    again: Option<&str>,
) -> Reply {
    let return_to = &attempt.return_to;
    if visit.present().await.is_ok() {
        tracing::warn!(
            code = failure.code(),
            detail,
            "a session was not kept alive at its provider"
        );
        return go_on(visit, attempt.referral.as_ref(), return_to);
    }
    let reply = failure.reply(visit, detail, again);
    let silent = demand(visit, return_to).map(|demand| demand.route.sign_in.silent);
    // Where nobody ever is asked there is no other way in than to try again.
    match silent {
        Some(Silent::Only { .. }) => reply,
        _ => reply.with_cookies(probed(visit, return_to)),
    }
}

/// The cookie that says for a while that the provider is not to be asked. It is no authority: at worst it spares a redirect. It counts
/// wherever the session would, and here in any case.
pub(crate) fn probed(visit: &Visit<'_>, return_to: &ReturnTo) -> Vec<HeaderValue> {
    let interval =
        demand(visit, return_to).and_then(|demand| demand.route.sign_in.silent.interval());
    let seconds = interval.map_or(INTERVAL_SECONDS, |interval| interval.as_secs());
    let secure = if visit.request.scheme == Scheme::Https { "; Secure" } else { "" };
    let domain = visit.cookie().domain().filter(|_| visit.cookie().reaches(visit.host()));
    let domain = domain.map(|domain| format!("; Domain={domain}"));
    let (name, domain) = (&visit.sessions.probe_cookie, domain.unwrap_or_default());
    let text =
        format!("{name}=1; Path=/{domain}; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}");
    HeaderValue::try_from(text).into_iter().collect()
}
