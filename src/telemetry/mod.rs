//! What happened, told: metrics, operational logs and one line per request.
//!
//! Decides nothing and never fails a request: every method here is cheap and infallible.
//! What a line or a label may say is bounded here; what is worth saying is the caller's.

pub mod audit;
pub mod log;
pub mod metrics;
pub mod writer;

mod catalogue;
mod family;
mod process;

/// A way in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Door {
    /// The inline reverse proxy.
    Proxy,
    /// The HTTP sub-request of nginx, Traefik, Caddy, `HAProxy`.
    ForwardAuth,
    /// Envoy's external authorization.
    ExtAuthz,
}

impl Door {
    /// Every door, in the order of [`Door::index`].
    pub const ALL: [Self; 3] = [Self::Proxy, Self::ForwardAuth, Self::ExtAuthz];

    /// The name in metrics and logs.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Proxy => "proxy",
            Self::ForwardAuth => "forward_auth",
            Self::ExtAuthz => "ext_authz",
        }
    }

    const fn index(self) -> usize {
        self as usize
    }
}

/// How a request ended at the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It may pass.
    Allow,
    /// 401: no credential, or a bad one.
    Challenge,
    /// 403: known, but not for this route.
    Forbid,
    /// Answered by an endpoint of sidegate itself.
    Own,
    /// A CORS preflight that was answered.
    Preflight,
    /// 4xx: ambiguous, malformed or unrouted.
    Refuse,
    /// Sent to the login service.
    SignIn,
    /// 503: a fact that was needed could not be had.
    Unavailable,
}

impl Outcome {
    /// Every outcome, in the order of [`Outcome::index`].
    pub const ALL: [Self; 8] = [
        Self::Allow,
        Self::Challenge,
        Self::Forbid,
        Self::Own,
        Self::Preflight,
        Self::Refuse,
        Self::SignIn,
        Self::Unavailable,
    ];

    /// The name in metrics and logs.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Challenge => "challenge",
            Self::Forbid => "forbid",
            Self::Own => "own",
            Self::Preflight => "preflight",
            Self::Refuse => "refuse",
            Self::SignIn => "sign_in",
            Self::Unavailable => "unavailable",
        }
    }

    const fn index(self) -> usize {
        self as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_complete_and_in_index_order() {
        assert!(Door::ALL.iter().enumerate().all(|(n, door)| door.index() == n));
        assert!(Outcome::ALL.iter().enumerate().all(|(n, outcome)| outcome.index() == n));
    }
}
