//! The gate decides: may this request pass, as whom, and what else is to be done with it?
//!
//! Pure: bytes, facts and a time in, a decision out. [`fn@examine`] finds the route and what the request offers;
//! [`judge`] turns that, with the facts, into a [`Decision`] or the one question that is still open.

mod admit;
mod authenticate;
mod authorize;
mod caller;
mod compatible;
mod credential;
mod decision;
mod examine;
mod facts;
mod fields;
mod headers;
mod introspect;
mod narrate;
mod navigation;
mod offer;
mod policy;
mod possession;
mod propagate;
mod question;
mod readings;
mod reason;
mod request;
mod resolver;
mod route;
mod session;
mod shared;
mod sign_in;
mod target;
mod terms;
mod upgrade;

pub use authorize::Rule;
pub use caller::{Caller, SessionUpdate};
pub use compatible::{
    AUTHELIA, AUTHGEAR, AUTHGEAR_CLAIMS, AUTHGEAR_COPIED, Compatible, PHONE_VERIFIED, Resolution,
    authgear_claim_path, authgear_headers,
};
pub use credential::{Credential, CredentialKind, CredentialKinds};
pub use decision::{
    BearerError, Challenge, Decision, DpopChallenge, DpopError, Forbidden, Permit, PreflightAnswer,
    SignIn, Step,
};
pub use examine::{Examined, Inquiry, examine, judge};
pub use facts::{Facts, KeyRing, KeyState, ProviderId};
pub use fields::IdentityFields;
pub use headers::{HeaderPlan, HeaderSource, PlanId, Preset};
pub use narrate::{Told, narrate};
pub use offer::cookie_values;
pub use policy::{
    Access, AssertionSpec, Dpop, Home, InboundCredential, Introspection, LoginUrl, LoginUrlError,
    NonceRule, Policy, Preflight, Provider, RelyingParty, Route, SessionPolicy, SessionsKept,
    SignInFlow, SignInRule, Silent, Upgrades, UpstreamId,
};
pub use propagate::{METHOD_OVERRIDES, ManagedNames, MethodRules, is_authgears};
pub use question::{
    Answer, FirstUseAnswer, IntrospectionAnswer, IntrospectionQuestion, KeyAnswer, KeyDoubt,
    KeyQuestion, ProofUse, Question, RenewalAnswer, RenewalQuestion, ResolverAnswer,
    ResolverQuestion, ResolverUse, SessionAnswer, SessionQuestion, VerdictAnswer, VerdictQuestion,
};
pub use reason::Reason;
pub use request::{RequestView, Scheme};
pub use resolver::{Offered, ResolvedTokens, Resolver};
pub use route::{Conflict, Match, PathPattern, PathPatternError, RouteId, RouteTable};
pub use sign_in::{SignInDemand, demand, would_admit};
pub use target::Target;
pub use terms::Terms;

#[cfg(test)]
mod tests;
