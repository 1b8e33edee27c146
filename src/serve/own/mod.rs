//! Sidegate's own endpoints, under the prefix of the configuration: signing in and out, the session, and public keys.
//!
//! Each is a function from a [`Visit`] to a reply. None of them lets a request pass: that is the gate's part.

mod back_channel;
mod callback;
mod desk;
mod establish;
mod failure;
mod front_channel;
mod keys;
mod login;
mod session;
mod sign_out;
mod sso_cookie;
mod visit;
mod webhook;

use http::Method;
use http::header::{self, HeaderValue};

use crate::gate::Reason;
use crate::serve::reply::{Asker, Reply};
use crate::serve::runtime::Runtime;

pub(crate) use desk::{Desk, Surroundings};
pub(crate) use visit::Visit;

/// The longest form that is read, in bytes ([Back-Channel Logout §2.5](https://openid.net/specs/openid-connect-backchannel-1_0.html#BCRequest)
/// names no bound; tokens are far shorter).
pub(crate) const MAX_FORM_BYTES: usize = 64 << 10;

/// One of our endpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Endpoint<'a> {
    BackChannelLogout(&'a str),
    Callback(&'a str),
    FrontChannelLogout(&'a str),
    Keys,
    Login,
    Logout,
    RenewSession,
    Session,
    SessionScript,
    SignedOut,
    Webhook(&'a str),
}

impl<'a> Endpoint<'a> {
    /// The endpoint at `path`, which begins behind the prefix.
    pub(crate) fn at(path: &'a [u8]) -> Option<Self> {
        let path = std::str::from_utf8(path).ok()?.strip_prefix('/')?;
        Some(match path.split_once('/') {
            None => match path {
                "jwks" => Self::Keys,
                "login" => Self::Login,
                "logout" => Self::Logout,
                "session" => Self::Session,
                "session.js" => Self::SessionScript,
                "signed-out" => Self::SignedOut,
                _ => return None,
            },
            Some(("backchannel-logout", name)) => Self::BackChannelLogout(name),
            Some(("callback", name)) => Self::Callback(name),
            Some(("frontchannel-logout", name)) => Self::FrontChannelLogout(name),
            Some(("session", "renew")) => Self::RenewSession,
            Some(("webhook", name)) => Self::Webhook(name),
            Some(_) => return None,
        })
    }

    /// The methods it takes, as `Allow` has them.
    const fn methods(self) -> &'static str {
        match self {
            Self::BackChannelLogout(_) | Self::RenewSession | Self::Webhook(_) => "POST",
            Self::Callback(_) => "GET, POST",
            Self::FrontChannelLogout(_) => "GET",
            Self::Keys | Self::Login | Self::Session | Self::SessionScript | Self::SignedOut => {
                "GET, HEAD"
            }
            Self::Logout => "GET, HEAD, POST",
        }
    }

    fn takes(self, method: &Method) -> bool {
        self.methods().split(", ").any(|known| known == method.as_str())
    }

    /// Whether a request of `method` has a form that must be read before it is answered.
    pub(crate) fn reads_form(self, method: &Method) -> bool {
        let with_form = matches!(
            self,
            Self::BackChannelLogout(_) | Self::Callback(_) | Self::Logout | Self::Webhook(_)
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
    let Some(endpoint) = Endpoint::at(path) else { return Ok(Reply::not_found(asker)) };
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

/// Answers a visit to `endpoint`.
pub(crate) async fn visited(endpoint: Endpoint<'_>, visit: &Visit<'_>) -> Reply {
    match endpoint {
        Endpoint::BackChannelLogout(name) => back_channel::logout(visit, name).await,
        Endpoint::Callback(name) => callback::arrive(visit, name).await,
        Endpoint::FrontChannelLogout(name) => front_channel::logout(visit, name).await,
        Endpoint::Login => login::begin(visit).await,
        Endpoint::Logout => sign_out::logout(visit).await,
        Endpoint::RenewSession => session::renew(visit).await,
        Endpoint::Session => session::tell(visit).await,
        Endpoint::SignedOut => sign_out::signed_out(visit),
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
    }
}
