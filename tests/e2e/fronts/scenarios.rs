//! What is tried by every door, in this order.

use std::future::Future;
use std::pin::Pin;

use super::stand::Stand;
use super::{answers, questions, spoofing};

/// What a check comes to: nothing where a program it needs is missing. It panics where something is not as it should be.
pub(super) type Checked<'a> = Pin<Box<dyn Future<Output = Option<()>> + 'a>>;

/// One thing that must hold by every door.
pub(super) struct Scenario {
    /// The head of its column.
    pub(super) title: &'static str,
    /// In words.
    pub(super) what: &'static str,
    pub(super) check: fn(&Stand) -> Checked<'_>,
}

/// The last one ends sidegate.
pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        title: "sign-in",
        what: "a browser is sent to the provider, comes back to the page it wanted, and the app is told who it is",
        check: |stand| Box::pin(answers::sign_in(stand)),
    },
    Scenario {
        title: "API",
        what: "programs get 401 and never a redirect, a bad token too; a good one passes, with the request's body",
        check: |stand| Box::pin(answers::api(stand)),
    },
    Scenario {
        title: "refusal",
        what: "who is not allowed gets 403, in a browser and with a token, and the app hears nothing of it",
        check: |stand| Box::pin(answers::refusal(stand)),
    },
    Scenario {
        title: "sign-out",
        what: "a browser signs out here and at the provider, and has to sign in again",
        check: |stand| Box::pin(answers::sign_out(stand)),
    },
    Scenario {
        title: "identity",
        what: "no spelling, duplicate or list of an identity header survives, and none that was set is taken away by `Connection`",
        check: |stand| Box::pin(spoofing::identity(stand)),
    },
    Scenario {
        title: "forwarded",
        what: "nothing that a client says of its request in `X-Forwarded-*`, `X-Original-*` and their kin changes a decision or reaches the app",
        check: |stand| Box::pin(spoofing::forwarded(stand)),
    },
    Scenario {
        title: "paths",
        what: "no spelling of a protected path passes by the rule of another, or reaches the app otherwise than it was judged",
        check: |stand| Box::pin(spoofing::paths(stand)),
    },
    Scenario {
        title: "questions",
        what: "clients cannot ask for decisions themselves, nor add terms to those that are asked about them",
        check: |stand| Box::pin(questions::closed(stand)),
    },
    Scenario {
        title: "WebSocket",
        what: "a handshake passes with a session from the page's own origin, and not without, from elsewhere, or where the route has none",
        check: |stand| Box::pin(answers::websocket(stand)),
    },
    Scenario {
        title: "renewal",
        what: "a session that is renewed on the way to the app reaches the browser",
        check: |stand| Box::pin(answers::renewal(stand)),
    },
    Scenario {
        title: "down",
        what: "while Sidegate is down nobody passes, whatever they have",
        check: |stand| Box::pin(questions::down(stand)),
    },
];
