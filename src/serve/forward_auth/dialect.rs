//! Which proxy asks, by the address of its question: what a dialect says and expects is for its neighbours to know.

use crate::gate::{AUTHELIA, AUTHGEAR, Compatible, Policy};
use crate::serve::forward_auth::compatible::authelia_target;

/// A way of asking: where the original request is told, and which answers are understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// What was made for the resolver of Authgear: any answer but 200 is an error to it.
    Authgear,
    /// `forward_auth` of Caddy.
    Caddy,
    /// `ext_authz` of Envoy over HTTP: the original path follows the address of the question.
    Envoy,
    /// Auth requests of `HAProxy`, by Lua.
    Haproxy,
    /// `auth_request` of nginx, which knows 2xx, 401 and 403 only.
    Nginx,
    /// What was made for oauth2-proxy, which answers 202, 401 or 403.
    Oauth2Proxy,
    /// Nobody in particular.
    Plain,
    /// `ForwardAuth` of Traefik.
    Traefik,
}

impl Dialect {
    /// Every dialect that has an address of ours.
    pub const ALL: [Self; 6] =
        [Self::Caddy, Self::Envoy, Self::Haproxy, Self::Nginx, Self::Plain, Self::Traefik];

    /// The last part of the address, where it is one of ours; empty for questions of nobody in particular.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Authgear => "authgear",
            Self::Caddy => "caddy",
            Self::Envoy => "envoy",
            Self::Haproxy => "haproxy",
            Self::Nginx => "nginx",
            Self::Oauth2Proxy => "oauth2-proxy",
            Self::Plain => "",
            Self::Traefik => "traefik",
        }
    }
}

/// What the target of a request says of the question in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Question<'a> {
    /// Who asks.
    pub(crate) dialect: Dialect,
    /// What follows the address: the query without its question mark, and with Envoy the original target.
    pub(crate) rest: &'a [u8],
}

impl<'a> Question<'a> {
    /// The question at `target`, if that is the address of one.
    pub(crate) fn of(policy: &Policy, target: &'a [u8]) -> Option<Self> {
        match policy.own_path(target) {
            Some(rest) => Self::behind(rest).or_else(|| Self::of_oauth2_proxy(policy, rest)),
            None => Self::elsewhere(policy.compatible, target),
        }
    }

    /// The question behind the prefix as oauth2-proxy has it.
    fn of_oauth2_proxy(policy: &Policy, path: &'a [u8]) -> Option<Self> {
        let rest = path.strip_prefix(b"/auth").filter(|_| policy.compatible.oauth2_proxy)?;
        query(rest).map(|rest| Self { dialect: Dialect::Oauth2Proxy, rest })
    }

    /// The question at an address of another system.
    fn elsewhere(compatible: Compatible, target: &'a [u8]) -> Option<Self> {
        if compatible.authgear && target.starts_with(AUTHGEAR.as_bytes()) {
            let rest = query(target.strip_prefix(AUTHGEAR.as_bytes())?);
            return rest.map(|rest| Self { dialect: Dialect::Authgear, rest });
        }
        let rest = target.strip_prefix(AUTHELIA.as_bytes()).filter(|_| compatible.authelia)?;
        if let Some(rest) = rest.strip_prefix(b"ext-authz/") {
            return Some(Self { dialect: Dialect::Envoy, rest: authelia_target(rest) });
        }
        let plain = |name: &[u8]| rest.strip_prefix(name).and_then(query);
        let named = [("forward-auth", Dialect::Traefik), ("auth-request", Dialect::Nginx)];
        named
            .into_iter()
            .find_map(|(name, dialect)| plain(name.as_bytes()).map(|rest| Self { dialect, rest }))
    }

    /// The question at what follows the prefix of our endpoints.
    pub(super) fn behind(path: &'a [u8]) -> Option<Self> {
        let rest = path.strip_prefix(b"/verify")?;
        let Some(named) = rest.strip_prefix(b"/") else {
            return query(rest).map(|rest| Self { dialect: Dialect::Plain, rest });
        };
        let end = named.iter().position(|b| matches!(b, b'/' | b'?')).unwrap_or(named.len());
        let (name, rest) = named.split_at(end);
        let found = |dialect: &Dialect| !name.is_empty() && dialect.name().as_bytes() == name;
        match Dialect::ALL.into_iter().find(found)? {
            Dialect::Envoy => Some(Self { dialect: Dialect::Envoy, rest }),
            dialect => query(rest).map(|rest| Self { dialect, rest }),
        }
    }

    /// The query that whoever configured the proxy wrote. Envoy leaves no place for one: all that follows is the client's.
    pub(crate) const fn query(&self) -> &'a [u8] {
        match self.dialect {
            Dialect::Envoy => &[],
            _ => self.rest,
        }
    }
}

/// What is left behind a path that ends here.
fn query(rest: &[u8]) -> Option<&[u8]> {
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix(b"?") }
}
