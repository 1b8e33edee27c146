//! Why a sign-in came to nothing, for people, programs and logs.

use http::StatusCode;
use http::header::{self, HeaderValue};

use crate::serve::own::visit::Visit;
use crate::serve::pages::Explanation;
use crate::serve::reply::Reply;

macro_rules! failures {
    ($($(#[doc = $doc:literal])+ $name:ident => $code:literal, $status:ident, $text:literal;)+) => {
        /// Why there is no session. Codes are stable.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Failure {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Failure {
            /// Every failure there is.
            #[cfg(test)]
            pub(crate) const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The word for logs, programs and documents.
            pub(crate) const fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)+ }
            }

            const fn status(self) -> StatusCode {
                match self { $(Self::$name => StatusCode::$status,)+ }
            }

            const fn text(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }
        }
    };
}

failures! {
    /// The provider says no.
    AccessDenied => "access_denied", FORBIDDEN, "the login service says that access was denied";
    /// The attempt is over.
    AttemptExpired => "attempt_expired", BAD_REQUEST, "signing in took too long, or was finished in another window";
    /// The browser did not send the attempt's cookie.
    CookieNotReturned => "cookie_not_returned", BAD_REQUEST, "the browser did not send back the cookie that protects signing in";
    /// The session does not fit.
    CookieTooLarge => "cookie_too_large", INSUFFICIENT_STORAGE, "the account carries more data than fits into a cookie";
    /// The code could not be redeemed.
    ExchangeFailed => "exchange_failed", BAD_GATEWAY, "the login service did not accept the end of signing in";
    /// The ID token or userinfo does not hold.
    IdentityRefused => "identity_refused", BAD_GATEWAY, "what the login service says of the person could not be verified";
    /// Another provider answered.
    IssuerMismatch => "issuer_mismatch", BAD_REQUEST, "the answer came from another login service than the one that was asked";
    /// Sessions are over as soon as they begin.
    LoopClock => "loop_clock", BAD_REQUEST, "signed in several times, but each session was over at once";
    /// The session's cookie never comes back.
    LoopCookie => "loop_cookie", BAD_REQUEST, "signed in several times, but the session's cookie was never sent";
    /// Another replica seals with other keys.
    LoopKeys => "loop_keys", BAD_REQUEST, "signed in several times, but the session could not be opened";
    /// The answer breaks the protocol.
    MalformedAnswer => "malformed_answer", BAD_REQUEST, "the answer of the login service is malformed";
    /// No provider would sign anybody in for that address.
    NoProvider => "no_provider", NOT_FOUND, "nobody can sign in to this page";
    /// The provider reports a fault.
    ProviderError => "provider_error", BAD_GATEWAY, "the login service could not sign the person in";
    /// The provider cannot be reached.
    ProviderUnavailable => "provider_unavailable", SERVICE_UNAVAILABLE, "the login service cannot be reached at the moment";
    /// A logout came first.
    SignedOutMeanwhile => "signed_out_meanwhile", FORBIDDEN, "signed out while signing in";
    /// The provider's cookie is for https, and this is http.
    SsoCookieInsecure => "sso_cookie_insecure", BAD_REQUEST, "signed in at the login service, but its cookie only comes over https";
    /// The provider's cookie did not come along.
    SsoCookieMissing => "sso_cookie_missing", BAD_REQUEST, "signed in at the login service, but its cookie did not come along";
    /// The provider does not know its own cookie.
    SsoCookieUnknown => "sso_cookie_unknown", BAD_REQUEST, "signed in at the login service, but it does not recognise its cookie here";
    /// Not a state of ours.
    StateInvalid => "state_invalid", BAD_REQUEST, "the address does not belong to a sign-in that was begun here";
    /// The session cannot be kept.
    StoreUnavailable => "store_unavailable", SERVICE_UNAVAILABLE, "sessions cannot be kept at the moment";
    /// The provider did not do what the route asks for.
    TooWeak => "too_weak", FORBIDDEN, "the login service did not confirm the stronger or newer sign-in that the page asks for";
    /// A host for which nobody signs in here.
    UnknownHost => "unknown_host", BAD_REQUEST, "nobody signs in here for that host";
    /// No such provider.
    UnknownProvider => "unknown_provider", NOT_FOUND, "there is no login service of that name";
}

impl Failure {
    /// The answer, with a link to `again` where trying again may help.
    pub(crate) fn reply(
        self,
        visit: &Visit<'_>,
        detail: Option<&str>,
        again: Option<&str>,
    ) -> Reply {
        tracing::warn!(code = self.code(), detail, "sign-in failed");
        let explanation = Explanation {
            code: self.code(),
            message: self.text(),
            title: Some("title.sign_in_failed"),
            link: again,
            link_text: Some("try_again"),
            ..Explanation::default()
        };
        let reply = Reply::explain(self.status(), &explanation, visit.asker);
        if self.status() != StatusCode::SERVICE_UNAVAILABLE {
            return reply;
        }
        reply.with(header::RETRY_AFTER, HeaderValue::from_static("5"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::pages::Pages;

    #[test]
    fn every_failure_has_texts() {
        let pages = Pages::built_in();
        for failure in Failure::ALL {
            for kind in ["message", "advice"] {
                let key = format!("{kind}.{}", failure.code());
                assert!(pages.has_text(&key), "no text `{key}`");
            }
        }
    }
}
