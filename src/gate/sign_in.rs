//! Where people sign in, and what a sign-in has to ask for.

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use http::header;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use smallvec::SmallVec;

use crate::base::cookie::CookieValues;
use crate::base::host::Authority;
use crate::base::time::Timestamp;
use crate::gate::credential::CredentialKind;
use crate::gate::examine::{Found, Inquiry, find};
use crate::gate::facts::ProviderId;
use crate::gate::navigation::is_navigation;
use crate::gate::policy::{
    Access, Home, LoginUrl, Policy, RelyingParty, Route, SignInFlow, Silent,
};
use crate::gate::reason::Reason;
use crate::gate::target::Target;
use crate::identity::Identity;
use crate::session::{Prompt, Session};

/// What a sign-in for an address has to ask the provider for.
#[derive(Clone, Debug)]
pub struct SignInDemand<'p> {
    /// The route of the address.
    pub route: &'p Arc<Route>,
    /// The providers to choose from, in written order.
    pub providers: SmallVec<[ProviderId; 4]>,
    /// Whether people are asked, if that does not depend on what they do.
    pub prompt: Option<Prompt>,
    /// The greatest age of the authentication.
    pub max_age: Option<Duration>,
    /// The context classes of which one will do.
    pub acr_values: Vec<String>,
}

/// What a sign-in that ends at this address has to ask for; nothing where no route of the policy has the address.
pub fn demand<'p>(
    policy: &'p Policy,
    method: &Method,
    authority: &Authority<'_>,
    target: Target<'_>,
) -> Option<SignInDemand<'p>> {
    let Ok(Found::Route(route)) = find(policy, method, authority.host(), target) else {
        return None;
    };
    let rule = &route.sign_in;
    let acr_values =
        if rule.acr_values.is_empty() { &route.rule.acr_any } else { &rule.acr_values };
    Some(SignInDemand {
        route,
        providers: providers(policy, route),
        prompt: match rule.silent {
            Silent::Only { .. } => Some(Prompt::None),
            Silent::Never | Silent::Probe { .. } => rule.prompt,
        },
        max_age: rule.max_age.or(route.rule.max_auth_age),
        acr_values: acr_values.clone(),
    })
}

/// Whether `identity` may pass `route` at `now`: what a sign-in was for, it must have brought.
///
/// # Errors
///
/// The first part of the route's rule that does not hold.
pub fn would_admit(route: &Route, identity: &Identity, now: Timestamp) -> Result<(), Reason> {
    route.rule.admits(identity, now)
}

/// The providers of which we are a client: those the route's rule for signing in names, or else all of the route, or, on
/// public routes that have none, all there are.
fn providers(policy: &Policy, route: &Route) -> SmallVec<[ProviderId; 4]> {
    let ours = |id: &ProviderId| {
        policy.provider(*id).is_some_and(|provider| provider.relying_party.is_some())
    };
    let named = if route.sign_in.providers.is_empty() {
        &route.providers
    } else {
        &route.sign_in.providers
    };
    let found: SmallVec<_> = named.iter().copied().filter(ours).collect();
    if !found.is_empty() || route.access != Access::Public {
        return found;
    }
    (0..).map(ProviderId).take(policy.providers.len()).filter(ours).collect()
}

/// Who leads people through signing in.
enum Place<'p> {
    /// Somebody else, who knows the way back by the URL.
    Elsewhere(&'p LoginUrl),
    /// We do, at our own endpoint.
    Here,
}

/// What the query of our own login endpoint says about asking people.
#[derive(Clone, Copy)]
enum Asking {
    AsNeeded,
    Never,
    Always,
}

impl Asking {
    const fn suffix(self) -> &'static str {
        match self {
            Self::AsNeeded => "",
            Self::Never => "&prompt=none",
            Self::Always => "&prompt=login",
        }
    }
}

impl Inquiry<'_> {
    /// Where a browser is sent to sign in and come back to this request.
    pub(super) fn sign_in_location(&self) -> Option<String> {
        Some(match self.place()? {
            Place::Elsewhere(url) => self.elsewhere(url),
            Place::Here => self.here(Asking::AsNeeded),
        })
    }

    /// Where a browser is sent to sign in better than it has.
    pub(super) fn step_up_location(&self) -> Option<String> {
        let here = matches!(self.place()?, Place::Here) && !self.is_silent_only();
        here.then(|| self.here(Asking::AsNeeded))
    }

    /// Where a browser is sent to sign in once more, whatever session it has.
    pub(super) fn renewed_location(&self) -> Option<String> {
        let here = matches!(self.place()?, Place::Here) && !self.is_silent_only();
        here.then(|| self.here(Asking::Always))
    }

    /// Where a browser is sent to try signing in without being asked, if it has not been lately.
    pub(super) fn silent_location(&self) -> Option<String> {
        let wanted = match self.route.sign_in.silent {
            Silent::Never => false,
            Silent::Only { .. } => true,
            Silent::Probe { .. } => self.route.access == Access::Optional,
        };
        if !wanted || !matches!(self.place()?, Place::Here) || self.was_probed() {
            return None;
        }
        Some(self.here(Asking::Never))
    }

    /// Where a browser is sent so that the session of its provider is used, if that is due: a sign-in that nobody notices. Should the
    /// provider say no, the session goes on as it was, and nobody is sent there again for a while.
    pub(super) fn keep_alive_location(&self, session: &Session, now: Timestamp) -> Option<String> {
        let provider = self.policy.providers.iter().find(|one| *one.name == *session.provider)?;
        let interval = provider.relying_party.as_ref()?.keep_alive?;
        let due = now >= session.started + interval;
        if !due || !is_navigation(&self.request) || self.was_probed() {
            return None;
        }
        let provider = utf8_percent_encode(&session.provider, NON_ALPHANUMERIC);
        Some(format!("{}&provider={provider}", self.here(Asking::Never)))
    }

    /// Whether nobody is ever asked to sign in here.
    pub(super) fn is_silent_only(&self) -> bool {
        matches!(self.route.sign_in.silent, Silent::Only { .. })
    }

    /// The address of the login page for whoever is not redirected, if there is one: absolute, so that a page at any
    /// address can use it.
    pub(super) fn login_url(&self) -> Option<String> {
        self.absolute(Asking::AsNeeded).filter(|_| !self.is_silent_only())
    }

    /// The same for a person who wants to be somebody else.
    pub(super) fn other_login_url(&self) -> Option<String> {
        self.absolute(Asking::Always).filter(|_| !self.is_silent_only())
    }

    fn absolute(&self, asking: Asking) -> Option<String> {
        Some(match self.place()? {
            Place::Elsewhere(url) => self.elsewhere(url),
            Place::Here => match self.home() {
                Some(_) => self.here(asking),
                None => self.origin() + &self.here(asking),
            },
        })
    }

    /// The host whose sessions count here too, if people sign in there. Where they do not count, our own endpoint knows the way: the
    /// browser has to be given something first that shows there that it began here.
    fn home(&self) -> Option<&Home> {
        let (sessions, host) = (self.policy.sessions.as_ref()?, self.request.authority.host());
        sessions.home_of(host).filter(|_| sessions.shares(host))
    }

    /// The route's own login URL; or else that of the first provider that has a way to sign in.
    fn place(&self) -> Option<Place<'_>> {
        if let Some(url) = &self.route.login_url {
            return Some(Place::Elsewhere(url));
        }
        let counts = |party: &RelyingParty| {
            self.route.accepts.contains(match party.flow {
                SignInFlow::Code => CredentialKind::Session,
                SignInFlow::Cookie => CredentialKind::Cookie,
            })
        };
        self.route.providers.iter().find_map(|id| {
            let provider = self.policy.provider(*id)?;
            match &provider.login_url {
                _ if provider.relying_party.as_ref().is_some_and(counts) => Some(Place::Here),
                url => url.as_ref().map(Place::Elsewhere),
            }
        })
    }

    fn elsewhere(&self, url: &LoginUrl) -> String {
        url.with_return_to(&(self.origin() + self.return_target()))
    }

    /// A relative reference: it cannot lead to another host, whatever the request says its own is. Or an address of the host where
    /// people sign in, which judges where they may return to.
    fn here(&self, asking: Asking) -> String {
        let (prefix, suffix) = (&self.policy.prefix, asking.suffix());
        let (base, target) = match self.home() {
            Some(home) => (home.origin.as_str(), self.origin() + self.return_target()),
            None => ("", self.return_target().to_owned()),
        };
        let target = utf8_percent_encode(&target, NON_ALPHANUMERIC);
        format!("{base}{prefix}/login?return_to={target}{suffix}")
    }

    fn origin(&self) -> String {
        format!("{}://{}", self.request.scheme.as_str(), self.request.authority.written())
    }

    /// Only a page can be come back to.
    fn return_target(&self) -> &str {
        if is_navigation(&self.request) { self.request.target.written() } else { "/" }
    }

    /// Whether the provider said a while ago that it knows no session. A forged cookie only spares its sender a redirect.
    fn was_probed(&self) -> bool {
        let Some(sessions) = &self.policy.sessions else { return true };
        let name = sessions.probe_cookie.as_bytes();
        let fields = self.request.headers.get_all(header::COOKIE).iter();
        fields.into_iter().any(|field| CookieValues::new(field.as_bytes(), name).next().is_some())
    }
}
