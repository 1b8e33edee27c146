//! Sidegate's own endpoints, under the prefix of the configuration: signing in and out, the session, and public keys.
//!
//! Each is a function from a [`Visit`] to a reply. None of them lets a request pass: that is the gate's part.

mod adopt;
mod back_channel;
mod callback;
mod compatible;
mod depart;
mod desk;
mod establish;
mod exchange;
mod failure;
mod front_channel;
mod hand_in;
mod hand_over;
mod links;
mod login;
mod login_service;
mod my_sessions;
mod once;
mod session;
mod sign_out;
mod signed_out;
mod sso_cookie;
mod start;
mod unnoticed;
mod visit;
mod webhook;

use http::Method;
use http::header::{self, HeaderValue};

use crate::gate::Reason;
use crate::serve::reply::{Asker, Reply};
use crate::serve::runtime::Runtime;

pub(crate) use adopt::by_header;
pub(crate) use desk::{Desk, Surroundings};
pub(crate) use visit::Visit;

/// The longest form that is read, in bytes ([Back-Channel Logout §2.5](https://openid.net/specs/openid-connect-backchannel-1_0.html#BCRequest)
/// names no bound; tokens are far shorter).
pub(crate) const MAX_FORM_BYTES: usize = 64 << 10;

/// One of our endpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Endpoint<'a> {
    Adopt,
    BackChannelLogout(&'a str),
    Callback(&'a str),
    Enter,
    Exchange,
    FrontChannelLogout(&'a str),
    HandIn,
    HandOver,
    Keys,
    Login,
    Logout,
    Redeem,
    /// The person's own.
    MySessions,
    RenewSession,
    Session,
    SessionScript,
    Ready,
    SignedOut,
    /// Of oauth2-proxy: the only callback.
    SoleCallback,
    /// Of oauth2-proxy: the page from which people sign in.
    SignInPage,
    /// Of oauth2-proxy: signing out by a link.
    SignOutLink,
    UserInfo,
    Webhook(&'a str),
}

impl<'a> Endpoint<'a> {
    /// The endpoint at `path`, which begins behind the prefix.
    pub(crate) fn at(path: &'a [u8]) -> Option<Self> {
        let path = std::str::from_utf8(path).ok()?.strip_prefix('/')?;
        Some(match path.split_once('/') {
            None => match path {
                "adopt" => Self::Adopt,
                "enter" => Self::Enter,
                "exchange" => Self::Exchange,
                "handover" => Self::HandOver,
                "jwks" => Self::Keys,
                "login" => Self::Login,
                "logout" => Self::Logout,
                "my-sessions" => Self::MySessions,
                "session" => Self::Session,
                "session.js" => Self::SessionScript,
                "sessions" => Self::HandIn,
                "signed-out" => Self::SignedOut,
                _ => return None,
            },
            Some(("backchannel-logout", name)) => Self::BackChannelLogout(name),
            Some(("callback", name)) => Self::Callback(name),
            Some(("frontchannel-logout", name)) => Self::FrontChannelLogout(name),
            Some(("session", "renew")) => Self::RenewSession,
            Some(("webhook", name)) => Self::Webhook(name),
            Some(("sessions", "redeem")) => Self::Redeem,
            Some(_) => return None,
        })
    }

    /// The endpoint at `path` behind the prefix as oauth2-proxy has it.
    fn of_oauth2_proxy(path: &[u8]) -> Option<Self> {
        Some(match path {
            b"/callback" => Self::SoleCallback,
            b"/sign_in" => Self::SignInPage,
            b"/sign_out" => Self::SignOutLink,
            b"/start" => Self::Login,
            b"/userinfo" => Self::UserInfo,
            _ => return None,
        })
    }

    /// The methods it takes, as `Allow` has them.
    const fn methods(self) -> &'static str {
        match self {
            Self::BackChannelLogout(_)
            | Self::Exchange
            | Self::HandIn
            | Self::Redeem
            | Self::RenewSession
            | Self::Webhook(_) => "POST",
            Self::Callback(_) | Self::SoleCallback => "GET, POST",
            Self::Adopt | Self::Enter | Self::FrontChannelLogout(_) | Self::HandOver => "GET",
            Self::Keys
            | Self::Login
            | Self::Ready
            | Self::Session
            | Self::SessionScript
            | Self::SignedOut
            | Self::SignInPage
            | Self::SignOutLink
            | Self::UserInfo => "GET, HEAD",
            Self::Logout | Self::MySessions => "GET, HEAD, POST",
        }
    }

    fn takes(self, method: &Method) -> bool {
        self.methods().split(", ").any(|known| known == method.as_str())
    }

    /// Whether a request of `method` has a form that must be read before it is answered.
    pub(crate) fn reads_form(self, method: &Method) -> bool {
        let with_form = matches!(
            self,
            Self::BackChannelLogout(_)
                | Self::Callback(_)
                | Self::Exchange
                | Self::HandIn
                | Self::Logout
                | Self::MySessions
                | Self::Redeem
                | Self::SoleCallback
                | Self::Webhook(_)
        );
        *method == Method::POST && with_form
    }
}

/// Answers where nobody has to be known: public keys, and what there is not.
///
/// # Errors
/// The endpoint that needs a [`Visit`].
pub(crate) fn plain<'a>(
    runtime: &Runtime,
    method: &Method,
    path: &'a [u8],
    asker: Asker<'_>,
) -> Result<Reply, Endpoint<'a>> {
    let found = Endpoint::at(path);
    let foreign = || {
        let ours = runtime.policy.compatible.oauth2_proxy;
        ours.then(|| Endpoint::of_oauth2_proxy(path)).flatten()
    };
    let Some(endpoint) = found.or_else(foreign) else { return Ok(Reply::not_found(asker)) };
    if !endpoint.takes(method) {
        let reply = Reply::refusal(Reason::MethodNotAllowed, asker);
        return Ok(reply.replacing(header::ALLOW, HeaderValue::from_static(endpoint.methods())));
    }
    match endpoint {
        Endpoint::Keys => Ok(keys(runtime)),
        Endpoint::SessionScript => Ok(session::script()),
        endpoint if runtime.desk.is_some() => Err(endpoint),
        _ => Ok(Reply::not_found(asker)),
    }
}

/// Answers at an address outside the prefix: those by which oauth2-proxy is watched. They say nothing of any request, so that no
/// proxy can take them for an answer about one (CVE-2026-34457).
///
/// # Errors
/// The endpoint that needs a [`Visit`].
pub(crate) fn elsewhere<'a>(
    runtime: &Runtime,
    method: &Method,
    path: &[u8],
    asker: Asker<'_>,
) -> Result<Reply, Endpoint<'a>> {
    let served = runtime.policy.compatible.oauth2_proxy && Endpoint::Ready.takes(method);
    match path {
        b"/ready" if served && runtime.desk.is_some() => Err(Endpoint::Ready),
        b"/ping" | b"/ready" if served => Ok(compatible::well()),
        _ => Ok(Reply::not_found(asker)),
    }
}

/// Answers a visit to `endpoint`.
pub(crate) async fn visited(endpoint: Endpoint<'_>, visit: &Visit<'_>) -> Reply {
    match endpoint {
        Endpoint::Adopt => adopt::arrive(visit).await,
        Endpoint::BackChannelLogout(name) => back_channel::logout(visit, name).await,
        Endpoint::Callback(name) => callback::arrive(visit, name).await,
        Endpoint::Enter => exchange::enter(visit).await,
        Endpoint::Exchange => exchange::exchange(visit).await,
        Endpoint::FrontChannelLogout(name) => front_channel::logout(visit, name).await,
        Endpoint::HandIn => hand_in::take(visit),
        Endpoint::HandOver => hand_over::arrive(visit).await,
        Endpoint::Login => login::begin(visit).await,
        Endpoint::Logout => sign_out::logout(visit).await,
        Endpoint::Redeem => hand_in::redeem(visit).await,
        Endpoint::MySessions => my_sessions::visit(visit).await,
        Endpoint::RenewSession => session::renew(visit).await,
        Endpoint::Session => session::tell(visit).await,
        Endpoint::Ready => compatible::ready(visit).await,
        Endpoint::SignedOut => signed_out::signed_out(visit).await,
        Endpoint::SignInPage => compatible::sign_in_page(visit),
        Endpoint::SignOutLink => sign_out::by_link(visit).await,
        Endpoint::SoleCallback => callback::arrive_at_sole(visit).await,
        Endpoint::UserInfo => compatible::user_info(visit).await,
        Endpoint::Webhook(name) => webhook::receive(visit, name).await,
        Endpoint::Keys | Endpoint::SessionScript => Reply::not_found(visit.asker),
    }
}

/// Public keys are the same for everyone.
fn keys(runtime: &Runtime) -> Reply {
    let reply = Reply::json(runtime.assertions.public().to_string());
    reply.replacing(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_by_their_paths() {
        assert_eq!(Endpoint::at(b"/login"), Some(Endpoint::Login));
        assert_eq!(Endpoint::at(b"/callback/main"), Some(Endpoint::Callback("main")));
        assert_eq!(Endpoint::at(b"/session/renew"), Some(Endpoint::RenewSession));
        for path in ["", "/", "/login/", "/Login", "/callback", "/session/x", "//login"] {
            assert_eq!(Endpoint::at(path.as_bytes()), None, "{path}");
        }
    }

    /// A prefetched or probed callback must not use up its code.
    #[test]
    fn callbacks_are_neither_probed_nor_asked_about() {
        let callback = Endpoint::Callback("main");
        assert!(callback.takes(&Method::GET) && callback.takes(&Method::POST));
        assert!(!callback.takes(&Method::HEAD) && !callback.takes(&Method::OPTIONS));
        assert_eq!(Endpoint::HandOver.methods(), "GET");
    }
}
