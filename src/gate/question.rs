//! What the gate may ask the outside, and what it can be told.
//!
//! A question holds all that is needed to answer it and nothing borrowed, so that it can wait. Its `Debug` text shows no
//! credential.

use std::sync::Arc;

use http::header::HeaderValue;

use crate::base::secret::Secret;
use crate::base::time::Timestamp;
use crate::gate::facts::ProviderId;
use crate::gate::resolver::Offered;
use crate::session::{Session, Ticket};
use crate::token::{Claims, KeySet};

/// A fact that only the outside can tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// Has this proof been used before?
    FirstUse(ProofUse),
    /// Does the provider hold this token to be good?
    Introspection(IntrospectionQuestion),
    /// Are there newer keys?
    Keys(KeyQuestion),
    /// Can this session be renewed?
    Renewal(RenewalQuestion),
    /// Whose are these credentials?
    Resolver(ResolverQuestion),
    /// What is stored under this ticket?
    Session(SessionQuestion),
    /// Who is signed in here by a session of another app?
    Verdict(VerdictQuestion),
}

impl Question {
    /// The kind of question, for whoever tells how a decision came about.
    pub const fn label(&self) -> &'static str {
        match self {
            Self::FirstUse(_) => "first use of a proof",
            Self::Introspection(_) => "introspection",
            Self::Keys(_) => "keys",
            Self::Renewal(_) => "the renewal of a session",
            Self::Resolver(_) => "a resolver",
            Self::Session(_) => "a stored session",
            Self::Verdict(_) => "a session of another app",
        }
    }
}

/// The answer to a [`Question`] of the same name. One of another name answers nothing.
#[derive(Clone, Debug)]
pub enum Answer {
    /// To [`Question::FirstUse`].
    FirstUse(FirstUseAnswer),
    /// To [`Question::Introspection`].
    Introspection(IntrospectionAnswer),
    /// To [`Question::Keys`].
    Keys(KeyAnswer),
    /// To [`Question::Renewal`].
    Renewal(RenewalAnswer),
    /// To [`Question::Resolver`].
    Resolver(ResolverAnswer),
    /// To [`Question::Session`].
    Session(SessionAnswer),
    /// To [`Question::Verdict`].
    Verdict(VerdictAnswer),
}

/// A DPoP proof whose signature holds, about to be used
/// ([RFC 9449 §11.1](https://www.rfc-editor.org/rfc/rfc9449#section-11.1)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProofUse {
    /// Whose token it accompanies.
    pub provider: ProviderId,
    /// SHA-256 of the proof's key, its `jti` and the address it is for.
    pub id: [u8; 32],
    /// From when on the proof is refused for its age: nothing need be remembered longer.
    pub until: Timestamp,
}

/// The answer to a [`ProofUse`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstUseAnswer {
    /// It is the first use, and noted as such.
    First,
    /// It was used before.
    Replayed,
    /// Nobody can tell: the memory is full or out of reach.
    Unavailable,
}

/// A token that only its provider can judge ([RFC 7662](https://www.rfc-editor.org/rfc/rfc7662)).
#[derive(Clone, Debug)]
pub struct IntrospectionQuestion {
    /// Whom to ask.
    pub provider: ProviderId,
    /// The token.
    pub token: Secret<String>,
}

/// The exposed tokens are compared only to find the answer to a question of this very request.
impl PartialEq for IntrospectionQuestion {
    fn eq(&self, other: &Self) -> bool {
        self.provider == other.provider && self.token.expose() == other.token.expose()
    }
}

impl Eq for IntrospectionQuestion {}

/// The answer to an [`IntrospectionQuestion`].
#[derive(Clone, Debug)]
pub enum IntrospectionAnswer {
    /// The provider says `active: true`.
    Active {
        /// All that it says.
        claims: Arc<Claims>,
        /// From when on it must be asked again.
        until: Timestamp,
    },
    /// The provider says that the token is not good.
    Inactive,
    /// The provider could not be asked.
    Unavailable,
}

/// A question only the outside can answer: are there newer keys?
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyQuestion {
    /// Whose keys.
    pub provider: ProviderId,
    /// The key the token names, if it names one.
    pub kid: Option<String>,
    /// Why the keys at hand do not do.
    pub why: KeyDoubt,
}

/// Why the gate asks for keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyDoubt {
    /// The signature does not hold under the key of that name: it may have been replaced.
    BadSignature,
    /// No key set has been had yet.
    NotLoaded,
    /// The set has no key of that name.
    UnknownKid,
}

/// The answer to a [`KeyQuestion`].
#[derive(Clone, Debug)]
pub enum KeyAnswer {
    /// A key set newer than the one the question came from.
    Fresh(Arc<KeySet>),
    /// The provider has nothing newer, or was asked a moment ago.
    Unchanged,
    /// No key set could be had at all.
    Unavailable,
}

/// A session that is to be renewed at its provider. It is asked about with each request from when renewing is due; the
/// answer must not wait for the provider while [`Session::must_be_renewed`] is not true yet.
#[derive(Clone, Debug)]
pub struct RenewalQuestion {
    /// The session as its cookie, or its store, has it.
    pub session: Arc<Session>,
    /// What the cookie has, where sessions are in a store.
    pub ticket: Option<Arc<Ticket>>,
}

impl PartialEq for RenewalQuestion {
    fn eq(&self, other: &Self) -> bool {
        self.session.id == other.session.id && self.session.renewals == other.session.renewals
    }
}

impl Eq for RenewalQuestion {}

/// The answer to a [`RenewalQuestion`].
#[derive(Clone, Debug)]
pub enum RenewalAnswer {
    /// The provider will not have it renewed.
    Ended,
    /// It is renewed, by this request or one before; whoever still has the old one is to get this one.
    Renewed(Arc<Session>),
    /// The provider could not be asked.
    Unavailable,
    /// It is being renewed while requests go on.
    Underway,
}

/// Credentials that only the resolver of their provider can judge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolverQuestion {
    /// Whose resolver.
    pub provider: ProviderId,
    /// All that it is shown.
    pub offered: Offered,
    /// What the answer is for: how long it may be remembered depends on that.
    pub purpose: ResolverUse,
}

/// What a resolver's answer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ResolverUse {
    /// It names the caller.
    Identify,
    /// It says that a token which was verified here still counts.
    Recheck,
}

/// The answer to a [`ResolverQuestion`].
#[derive(Clone, Debug)]
pub enum ResolverAnswer {
    /// Something came, and none of it is good.
    Invalid {
        /// The `Set-Cookie` fields by which the provider has the browser forget it.
        clear: Arc<[HeaderValue]>,
    },
    /// The resolver saw no credential in what it was shown.
    SawNone,
    /// The resolver could not be asked.
    Unavailable,
    /// It names a caller.
    Valid {
        /// What it says of them.
        claims: Arc<Claims>,
        /// From when on it must be asked again.
        until: Timestamp,
    },
}

/// A session of one app of a tenant, at another app of it: only the provider can say who is signed in there, and how strongly.
#[derive(Clone, Debug)]
pub struct VerdictQuestion {
    /// The session as its cookie, or its store, has it.
    pub session: Arc<Session>,
    /// The app that asks.
    pub provider: ProviderId,
}

impl PartialEq for VerdictQuestion {
    fn eq(&self, other: &Self) -> bool {
        self.session.id == other.session.id && self.provider == other.provider
    }
}

impl Eq for VerdictQuestion {}

/// The answer to a [`VerdictQuestion`].
#[derive(Clone, Debug)]
pub enum VerdictAnswer {
    /// The provider knows no such session, or does not vouch for it here.
    Ended,
    /// Somebody is.
    Known {
        /// What is kept of the claims.
        claims: Arc<Claims>,
        /// From when on it must be asked again.
        until: Timestamp,
    },
    /// The provider could not be asked.
    Unavailable,
}

/// A session that is kept in a store.
#[derive(Clone, Debug)]
pub struct SessionQuestion {
    /// What the cookie has of it.
    pub ticket: Arc<Ticket>,
}

impl PartialEq for SessionQuestion {
    fn eq(&self, other: &Self) -> bool {
        self.ticket.id == other.ticket.id && self.ticket.key.expose() == other.ticket.key.expose()
    }
}

impl Eq for SessionQuestion {}

/// The answer to a [`SessionQuestion`].
#[derive(Clone, Debug)]
pub enum SessionAnswer {
    /// It is there.
    Found(Arc<Session>),
    /// It is not, or not any more.
    Gone,
    /// The store could not be asked.
    Unavailable,
}
