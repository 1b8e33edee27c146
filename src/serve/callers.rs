//! Remembered callers: who a credential was found to be, until its time is up.
//!
//! Keys are SHA-512/256 over credential and providers, never the credential itself: a fast hash could give one caller
//! another's identity, and raw tokens would stand in every memory dump. (SHA-256 takes half as long again where the processor has
//! no instructions for it.)

use std::sync::Arc;

use ahash::RandomState;
use aws_lc_rs::digest::{Context, SHA512_256};
use moka::sync::Cache;
use zeroize::Zeroizing;

use crate::gate::{Caller, Credential, CredentialKind};

/// What a credential is remembered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key([u8; 32]);

/// What an entry costs beside its value: key, pointers, the cache's own book-keeping.
const ENTRY_OVERHEAD: usize = 256;

/// The callers of one runtime. A reload starts afresh: other rules, other callers.
#[derive(Debug)]
pub(crate) struct Callers {
    cache: Cache<Key, Arc<Caller>, RandomState>,
}

/// The caller of the last request on a connection: most connections have only one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Memo(Option<Arc<Remembered>>);

#[derive(Debug)]
struct Remembered {
    generation: u64,
    kind: CredentialKind,
    token: Zeroizing<Box<str>>,
    caller: Arc<Caller>,
}

impl Memo {
    /// The caller of the last request, if this one offers the same credential under the same policy.
    pub(crate) fn find(
        &self,
        generation: u64,
        credential: &Credential<'_>,
    ) -> Option<&Arc<Caller>> {
        let known = self.0.as_ref()?;
        let same = known.generation == generation && **known.token == *credential.token();
        same.then_some(&known.caller)
    }

    /// Keeps `caller` for the next request on the connection.
    pub(crate) fn keep(
        &mut self,
        generation: u64,
        credential: &Credential<'_>,
        caller: &Arc<Caller>,
    ) {
        let kind = credential.kind();
        let token = Zeroizing::new(Box::from(credential.token()));
        let caller = Arc::clone(caller);
        self.0 = Some(Arc::new(Remembered { generation, kind, token, caller }));
    }

    /// The token, if it came in `Authorization`.
    pub(crate) fn familiar(&self) -> Option<&str> {
        let explicit = |known: &&Arc<Remembered>| {
            matches!(known.kind, CredentialKind::Bearer | CredentialKind::Dpop)
        };
        self.0.as_ref().filter(explicit).map(|known| &**known.token)
    }
}

impl Callers {
    /// Room for about `bytes`.
    pub(crate) fn new(bytes: u64) -> Self {
        let weigh = |_: &Key, caller: &Arc<Caller>| {
            u32::try_from(caller.weight() + ENTRY_OVERHEAD).unwrap_or(u32::MAX)
        };
        let cache = Cache::builder()
            .max_capacity(bytes)
            .weigher(weigh)
            .build_with_hasher(RandomState::new());
        Self { cache }
    }

    /// Who offered the credential of `key` before.
    pub(crate) fn find(&self, key: &Key) -> Option<Arc<Caller>> {
        self.cache.get(key)
    }

    /// Remembers that the credential of `key` is `caller`'s.
    pub(crate) fn keep(&self, key: Key, caller: &Arc<Caller>) {
        self.cache.insert(key, Arc::clone(caller));
    }

    /// How many callers are remembered and how much room they take, in bytes.
    pub(crate) fn size(&self) -> (u64, u64) {
        // The cache counts lazily: what is pending is not in its figures yet.
        self.cache.run_pending_tasks();
        (self.cache.entry_count(), self.cache.weighted_size())
    }
}

impl Key {
    /// What `credential` is remembered by. It takes some microseconds: nobody should ask twice for one request.
    pub(crate) fn of(credential: &Credential<'_>) -> Self {
        let mut hash = Context::new(&SHA512_256);
        for provider in credential.providers() {
            hash.update(&provider.0.to_be_bytes());
        }
        hash.update(b":");
        hash.update(credential.token().as_bytes());
        let mut key = [0; 32];
        key.copy_from_slice(hash.finish().as_ref());
        Self(key)
    }
}
