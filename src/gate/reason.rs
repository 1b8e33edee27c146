//! Why a decision fell as it did: one closed list, from which logs, metrics, answers and documents have their words.

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $name:ident => $label:literal, $text:literal;)+) => {
        /// Why a decision fell as it did. Labels are stable: they are log fields, metric labels and rows of the documentation.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Reason {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Reason {
            /// Every reason there is.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The stable word for logs and metrics.
            pub const fn label(self) -> &'static str {
                match self {
                    $(Self::$name => $label,)+
                }
            }

            /// What a client may be told. It does not say in which way a credential failed.
            pub const fn public_text(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)+
                }
            }
        }
    };
}

reasons! {
    /// The target can be read in several ways that fall under different routes.
    AmbiguousTarget => "ambiguous_target", "the address can be read in several ways";
    /// The authentication is older than the route allows.
    AuthenticationTooOld => "authentication_too_old", "the sign-in is too long ago for this page";
    /// The authentication is weaker than the route asks for.
    AuthenticationTooWeak => "authentication_too_weak", "this page asks for a stronger sign-in";
    /// The body is longer than the route allows.
    BodyTooLarge => "body_too_large", "the request body is too large";
    /// The route does not take credentials of this kind.
    CredentialNotAccepted => "credential_not_accepted", "the credential is not valid here";
    /// An upgrade with a cookie from a foreign origin.
    CrossOriginUpgrade => "cross_origin_upgrade", "connections from other sites are not allowed here";
    /// A front proxy does not tell all of the request that it asks about.
    ForwardedIncomplete => "forwarded_incomplete", "the proxy in front does not tell what was asked for";
    /// The request that a front proxy asks about is told in two ways.
    ForwardedMixed => "forwarded_mixed", "the proxy in front tells in two ways what was asked for";
    /// Header fields are too many or too long.
    HeadersTooLarge => "headers_too_large", "the request header is too large";
    /// The identity makes header values longer than servers take.
    IdentityTooLarge => "identity_too_large", "the identity is too large to be passed on";
    /// The provider could not be asked about a token that only it can judge.
    IntrospectionUnavailable => "introspection_unavailable", "sign-in cannot be checked at the moment";
    /// The provider's keys could not be had.
    KeysUnavailable => "keys_unavailable", "sign-in cannot be checked at the moment";
    /// Several or impossible `Content-Length`, one beside `Transfer-Encoding`, or a coding other than `chunked`.
    MalformedFraming => "malformed_framing", "the length of the request body is not clear";
    /// No `Host`, several, or one that is no host.
    MalformedHost => "malformed_host", "the host name is missing or malformed";
    /// The credential is no token at all.
    MalformedCredential => "malformed_credential", "the credential is not valid here";
    /// The target is not a plain absolute path.
    MalformedTarget => "malformed_target", "the address is malformed";
    /// A method that is never passed on.
    MethodNotAllowed => "method_not_allowed", "the method is not allowed";
    /// The route asks for a claim that the caller has not.
    MissingClaim => "missing_claim", "your account is not allowed to open this page";
    /// Nothing that proves who is calling.
    MissingCredential => "missing_credential", "sign-in is required";
    /// The route asks for another mail address or domain.
    MissingEmail => "missing_email", "your mail address is not allowed to open this page";
    /// The route asks for a group that the caller is not in.
    MissingGroup => "missing_group", "your account is not in a group that may open this page";
    /// The route asks for a role that the caller has not.
    MissingRole => "missing_role", "your account has no role that may open this page";
    /// The route asks for a scope that the token has not.
    MissingScope => "missing_scope", "the token has no scope that allows this";
    /// The token gives no identity.
    NoIdentity => "no_identity", "the credential is not valid here";
    /// No route for this path and method.
    NoRoute => "no_route", "there is nothing at this address";
    /// The provider knows no session of this browser, and the route asks nobody to sign in.
    NotSignedIn => "not_signed_in", "you are not signed in";
    /// A front proxy asks about a request that only sidegate can answer.
    OwnAnswerNeeded => "own_answer_needed", "the proxy in front does not pass this request on to where it is answered";
    /// Passed: a guest on a route where identity is optional.
    Anonymous => "anonymous", "";
    /// Passed: with an identity.
    Identified => "identified", "";
    /// Passed or answered: a CORS preflight.
    PreflightAllowed => "preflight", "";
    /// A CORS preflight from an origin that may not ask.
    PreflightRefused => "preflight_refused", "the origin is not allowed";
    /// Passed: the route is public.
    Public => "public", "";
    /// Answered: an endpoint of sidegate itself.
    OwnEndpoint => "own_endpoint", "";
    /// The proof of possession does not hold, is missing, or there are several.
    ProofInvalid => "proof_invalid", "the credential is not valid here";
    /// A token that must come with a proof of possession came without.
    ProofMissing => "proof_missing", "the credential is not valid here";
    /// The proof of possession has not the nonce that is demanded.
    ProofNonce => "proof_nonce", "the credential is not valid here";
    /// The proof of possession was used before.
    ProofReplayed => "proof_replayed", "the credential is not valid here";
    /// Whether a proof was used before could not be told.
    ProofsUnavailable => "proofs_unavailable", "sign-in cannot be checked at the moment";
    /// A field that only sidegate may set, and that a front proxy would pass on.
    ReservedField => "reserved_field", "a header field is one that only the proxy may set";
    /// The session reached the longest time it may live.
    SessionExpired => "session_expired", "your session is over: sign in again";
    /// The session is of a provider or a client that does not count here.
    SessionForeign => "session_foreign", "your session is over: sign in again";
    /// The session was not used for too long.
    SessionIdle => "session_idle", "your session is over: sign in again";
    /// The session is good, and its provider is asked once more so that its own session does not end for want of use.
    SessionKeptAlive => "session_kept_alive", "";
    /// The session's cookie was sealed with a key that is not among ours.
    SessionKeyUnknown => "session_key_unknown", "your session is over: sign in again";
    /// The session's cookie cannot be read, or was not sealed by us for this host.
    SessionMalformed => "session_malformed", "your session is over: sign in again";
    /// The provider did not let the session go on.
    SessionNotRenewed => "session_not_renewed", "your session is over: sign in again";
    /// The session was ended before its time: by signing out, here or elsewhere.
    SessionRevoked => "session_revoked", "your session is over: sign in again";
    /// The store does not have the session, or not any more.
    SessionUnknown => "session_unknown", "your session is over: sign in again";
    /// The session's store, or the provider that has to renew it, could not be asked.
    SessionsUnavailable => "sessions_unavailable", "sign-in cannot be checked at the moment";
    /// The provider's resolver says that nothing of what came is good.
    ResolverRejected => "resolver_rejected", "the sign-in is not valid any more";
    /// The provider's resolver saw no credential in what it was shown.
    ResolverSawNone => "resolver_saw_none", "the sign-in could not be recognised";
    /// The provider's resolver could not be asked.
    ResolverUnavailable => "resolver_unavailable", "sign-in cannot be checked at the moment";
    /// Two credentials of which either could be meant.
    SeveralCredentials => "several_credentials", "more than one credential was sent";
    /// Two cookies of one name.
    SeveralCookies => "several_cookies", "two sign-in cookies of the same name were sent: remove the cookies of this site and sign in again";
    /// The route is for one subject only.
    SubjectNotAllowed => "subject_not_allowed", "your account is not allowed to open this page";
    /// What a front proxy asks of callers, in the address by which it asks, cannot be read.
    TermsMalformed => "terms_malformed", "the proxy in front asks for something unknown";
    /// The token's audience is not us.
    TokenAudience => "token_audience", "the credential is not valid here";
    /// The token is bound to a key or a certificate that the caller did not prove to own.
    TokenBinding => "token_binding", "the credential is not valid here";
    /// The token's client is not on the list.
    TokenClient => "token_client", "the credential is not valid here";
    /// The token has run out.
    TokenExpired => "token_expired", "the credential is not valid here";
    /// The provider says that the token is not good.
    TokenInactive => "token_inactive", "the credential is not valid here";
    /// The token's issuer is none of the providers.
    TokenIssuer => "token_issuer", "the credential is not valid here";
    /// The token cannot be read, or breaks a rule of its format.
    TokenMalformed => "token_malformed", "the credential is not valid here";
    /// The token is from the future.
    TokenNotYetValid => "token_not_yet_valid", "the credential is not valid here";
    /// The signature does not hold.
    TokenSignature => "token_signature", "the credential is not valid here";
    /// No key of the name that the token gives.
    TokenUnknownKey => "token_unknown_key", "the credential is not valid here";
    /// The token is of another type, or signed with an algorithm that is not pinned for the provider.
    TokenType => "token_type", "the credential is not valid here";
    /// No route names this host.
    UnknownHost => "unknown_host", "this server does not serve that host";
    /// An `Authorization` scheme other than `Bearer`, or `DPoP` where it is not taken.
    UnknownScheme => "unknown_scheme", "the credential is not valid here";
    /// Who asks about requests is no proxy that is trusted.
    UntrustedPeer => "untrusted_peer", "only a trusted proxy may ask this";
    /// An upgrade on a route that has none.
    UpgradeNotAllowed => "upgrade_not_allowed", "connections of this kind are not allowed here";
    /// A question was asked twice without getting further.
    Unanswered => "unanswered", "sign-in cannot be checked at the moment";
}

impl Reason {
    /// Whether it says that a session is over: nothing is wrong with a token then.
    pub const fn is_about_session(self) -> bool {
        matches!(
            self,
            Self::ResolverRejected
                | Self::ResolverSawNone
                | Self::SessionExpired
                | Self::SessionForeign
                | Self::SessionIdle
                | Self::SessionKeyUnknown
                | Self::SessionMalformed
                | Self::SessionNotRenewed
                | Self::SessionRevoked
                | Self::SessionUnknown
        )
    }
}
