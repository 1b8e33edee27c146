//! Sessions in their cookies: nothing is stored, save, as long as there is room, tokens that are too large for a cookie.

use ahash::RandomState;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;

use crate::base::secret::Secret;
use crate::session::{Revoked, Session, SessionId, Tokens};

/// Room for ID and access tokens, in bytes.
const ROOM: u64 = 16 << 20;

/// What an entry costs beside its tokens, in bytes.
const ENTRY_OVERHEAD: usize = 192;

/// The tokens beside the cookies. May forget: a sign-out without them asks the person once more.
pub(super) struct Beside(Cache<SessionId, Tokens, RandomState>);

impl Beside {
    pub(super) fn new() -> Self {
        let cache = Cache::builder()
            .max_capacity(ROOM)
            .weigher(|_: &SessionId, tokens: &Tokens| weight(tokens))
            .eviction_policy(EvictionPolicy::lru())
            .build_with_hasher(RandomState::new());
        Self(cache)
    }

    /// Keeps the tokens that the cookie will not have. A session out of a cookie has none, and takes none away.
    pub(super) fn keep(&self, session: &Session) {
        let tokens = &session.tokens;
        if tokens.access.is_some() || tokens.id.is_some() {
            let bulk =
                Tokens { refresh: None, access: tokens.access.clone(), id: tokens.id.clone() };
            self.0.insert(session.id, bulk);
        }
    }

    /// All tokens of the session that are known.
    pub(super) fn tokens(&self, session: &Session) -> Tokens {
        let bulk = self.0.get(&session.id).unwrap_or_default();
        Tokens {
            refresh: session.tokens.refresh.clone(),
            access: session.tokens.access.clone().or(bulk.access),
            id: session.tokens.id.clone().or(bulk.id),
        }
    }

    /// Forgets the tokens of a session; those of logins and persons go with time.
    pub(super) fn forget(&self, what: &Revoked) {
        if let Revoked::Session(id) = what {
            self.0.invalidate(id);
        }
    }
}

/// The session as it goes into its cookie.
pub(super) fn without_bulk(session: &Session) -> Session {
    let tokens = Tokens { refresh: session.tokens.refresh.clone(), access: None, id: None };
    Session { tokens, ..session.clone() }
}

fn weight(tokens: &Tokens) -> u32 {
    let bytes =
        |token: &Option<Secret<String>>| token.as_ref().map_or(0, |token| token.expose().len());
    u32::try_from(bytes(&tokens.access) + bytes(&tokens.id) + ENTRY_OVERHEAD).unwrap_or(u32::MAX)
}
