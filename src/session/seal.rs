//! Sealing: AES-256-GCM over what a browser or a store keeps for us. The one place that encrypts.
//!
//! A sealed text is base64url of `version ‖ key id ‖ nonce ‖ ciphertext ‖ tag`. It opens only for the purpose, the name and the
//! scope it was sealed for: each purpose has a key of its own, and name and scope are authenticated. The first key seals, all
//! of them open, so that keys are changed without signing anybody out.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Prk, Salt};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use smallvec::SmallVec;
use zeroize::{Zeroize, Zeroizing};

use crate::base::secret::Secret;

/// Twelve bytes that must come fresh from the system's random generator for each sealing. A nonce used twice under one key gives
/// the key's contents away; chance makes that likely after some 2^32 sealings, which is when a key must be changed
/// ([NIST SP 800-38D §8.3](https://doi.org/10.6028/NIST.SP.800-38D)).
pub type Nonce = [u8; NONCE_LEN];

/// The first byte of everything sealed.
const VERSION: u8 = 1;

/// Version, key id and nonce.
const HEADER: usize = 1 + ID + NONCE_LEN;

const ID: usize = 4;

/// What is sealed. Nothing sealed as one thing opens as another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// A sign-in that was begun.
    Attempt,
    /// A session in a store.
    Body,
    /// A sign-in that was left to another host.
    Departure,
    /// Where a browser goes on to after a sign-out.
    Farewell,
    /// A reference to a session that a provider keeps.
    Handle,
    /// A session on its way to another host.
    Handover,
    /// What the sign-in page remembers of a browser.
    Hint,
    /// The `state` of a sign-out at a provider.
    Parting,
    /// A session on its way from a device's app to its browser.
    Pass,
    /// That a provider was asked in vain, without showing anything.
    Probe,
    /// Who sent a browser to the host for signing in.
    Referral,
    /// A session in its cookie.
    Session,
    /// The `state` of an authorization request.
    State,
    /// The way to a session in a store.
    Ticket,
}

impl Purpose {
    const ALL: [Self; 14] = [
        Self::Attempt,
        Self::Body,
        Self::Departure,
        Self::Farewell,
        Self::Handle,
        Self::Handover,
        Self::Hint,
        Self::Parting,
        Self::Pass,
        Self::Probe,
        Self::Referral,
        Self::Session,
        Self::State,
        Self::Ticket,
    ];

    const fn label(self) -> &'static str {
        match self {
            Self::Attempt => "attempt",
            Self::Body => "body",
            Self::Departure => "departure",
            Self::Farewell => "farewell",
            Self::Handle => "handle",
            Self::Handover => "handover",
            Self::Hint => "hint",
            Self::Parting => "parting",
            Self::Pass => "pass",
            Self::Probe => "probe",
            Self::Referral => "referral",
            Self::Session => "session",
            Self::State => "state",
            Self::Ticket => "ticket",
        }
    }
}

/// Where a sealed text belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SealContext<'a> {
    /// What it is.
    pub purpose: Purpose,
    /// The name of the cookie or parameter it is the value of.
    pub name: &'a str,
    /// The host or the cookie's domain.
    pub scope: &'a str,
}

impl SealContext<'_> {
    /// Each part after its length, so that no byte can move from one into another.
    fn bytes(&self) -> SmallVec<[u8; 192]> {
        let mut bytes = SmallVec::new();
        for part in [self.purpose.label(), self.name, self.scope] {
            bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
            bytes.extend_from_slice(part.as_bytes());
        }
        bytes
    }
}

/// Why secrets make no set of keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// There is none.
    #[error("no sealing key: at least one is needed")]
    NoKeys,
    /// Two of them are the same, or look the same by their ids.
    #[error("sealing keys {0} and {1} are the same, counted from 1; remove one")]
    Same(usize, usize),
    /// All bytes are alike: a placeholder, no secret.
    #[error(
        "sealing key {0}, counted from 1, is a placeholder; make one with `openssl rand -base64 32`"
    )]
    Weak(usize),
}

/// Why a sealed text does not open. Clients are told nothing of the difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// It was changed, or sealed for another purpose, name or host.
    #[error("the seal is broken, or it is for another purpose, name or host")]
    Forged,
    /// It is no sealed text.
    #[error("not a sealed text")]
    Malformed,
    /// It may well be ours, but its key is not: replicas have different keys, or the key was removed.
    #[error("sealed with a key that is not among ours")]
    UnknownKey,
}

/// Keys that seal and open, made ready. Clones share them.
#[derive(Clone)]
pub struct SealingKeys(Arc<[Key]>);

struct Key {
    id: [u8; ID],
    /// In the order of [`Purpose::ALL`].
    by_purpose: Vec<LessSafeKey>,
}

impl SealingKeys {
    /// Makes keys of `secrets`: the first one seals, all of them open.
    ///
    /// # Errors
    /// [`SealError`] if there is none, or one is no secret, or two are the same.
    pub fn new(secrets: &[Secret<[u8; 32]>]) -> Result<Self, SealError> {
        let mut keys: Vec<Key> = Vec::with_capacity(secrets.len());
        for (index, secret) in secrets.iter().enumerate() {
            let bytes = secret.expose();
            if bytes.iter().all(|byte| *byte == bytes[0]) {
                return Err(SealError::Weak(index + 1));
            }
            let key = Key::new(bytes);
            if let Some(same) = keys.iter().position(|other| other.id == key.id) {
                return Err(SealError::Same(same + 1, index + 1));
            }
            keys.push(key);
        }
        if keys.is_empty() { Err(SealError::NoKeys) } else { Ok(Self(keys.into())) }
    }

    /// Seals `plain` for `context` with the first key.
    pub fn seal(&self, context: &SealContext<'_>, nonce: Nonce, plain: &[u8]) -> String {
        let key = &self.0[0];
        let sealed = lock(key.subkey(context.purpose), key.id, &context.bytes(), nonce, plain);
        URL_SAFE_NO_PAD.encode(sealed)
    }

    /// Opens what was sealed for `context` with any of the keys.
    ///
    /// # Errors
    /// [`OpenError`] for everything else.
    pub fn open(
        &self,
        context: &SealContext<'_>,
        sealed: &str,
    ) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let bytes = URL_SAFE_NO_PAD.decode(sealed).map_err(|_| OpenError::Malformed)?;
        let id = key_id(&bytes)?;
        let key = self.0.iter().find(|key| key.id == id).ok_or(OpenError::UnknownKey)?;
        unlock(key.subkey(context.purpose), &context.bytes(), bytes)
    }

    /// Whether `sealed` names the key that seals now. What names an older one should be sealed anew when there is occasion, before
    /// that key goes.
    pub fn is_current(&self, sealed: &str) -> bool {
        let mut start = [0; 6];
        let head = sealed.as_bytes().get(..8);
        head.is_some_and(|head| URL_SAFE_NO_PAD.decode_slice(head, &mut start).is_ok())
            && start[1..=ID] == self.0[0].id
    }
}

/// Shows the ids, which are in every sealed text anyway.
impl fmt::Debug for SealingKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|key| u32::from_be_bytes(key.id))).finish()
    }
}

/// Seals `plain` under a key of its own, `secret`, for whoever names `name`.
pub(super) fn seal_under(
    secret: &Secret<[u8; 32]>,
    name: &str,
    nonce: Nonce,
    plain: &[u8],
) -> Vec<u8> {
    let context = SealContext { purpose: Purpose::Body, name, scope: "" };
    lock(&cipher(secret.expose()), [0; ID], &context.bytes(), nonce, plain)
}

/// Opens what [`seal_under`] sealed.
pub(super) fn open_under(
    secret: &Secret<[u8; 32]>,
    name: &str,
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let context = SealContext { purpose: Purpose::Body, name, scope: "" };
    if key_id(sealed)? != [0; ID] {
        return Err(OpenError::Malformed);
    }
    unlock(&cipher(secret.expose()), &context.bytes(), sealed.to_vec())
}

impl Key {
    fn new(secret: &[u8; 32]) -> Self {
        let root = Salt::new(HKDF_SHA256, b"sidegate sealing keys").extract(secret);
        let by_purpose = Purpose::ALL.iter().map(|purpose| {
            let mut bytes = [0; 32];
            expand(&root, &[b"seal ", purpose.label().as_bytes()], &mut bytes);
            let key = cipher(&bytes);
            bytes.zeroize();
            key
        });
        let by_purpose = by_purpose.collect();
        let mut id = [0; ID];
        expand(&root, &[b"id"], &mut id);
        Self { id, by_purpose }
    }

    fn subkey(&self, purpose: Purpose) -> &LessSafeKey {
        &self.by_purpose[purpose as usize]
    }
}

/// [RFC 5869 §2.3](https://www.rfc-editor.org/rfc/rfc5869#section-2.3).
fn expand(root: &Prk, info: &[&[u8]], out: &mut [u8]) {
    struct Length(usize);
    impl KeyType for Length {
        fn len(&self) -> usize {
            self.0
        }
    }
    let material = root.expand(info, Length(out.len()));
    material.and_then(|material| material.fill(out)).expect("HKDF gives up to 8160 bytes");
}

fn cipher(bytes: &[u8; 32]) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, bytes).expect("AES-256 keys have 32 bytes"))
}

fn lock(key: &LessSafeKey, id: [u8; ID], context: &[u8], nonce: Nonce, plain: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEADER + plain.len() + AES_256_GCM.tag_len());
    out.push(VERSION);
    out.extend_from_slice(&id);
    out.extend_from_slice(&nonce);
    out.extend_from_slice(plain);
    let nonce = aws_lc_rs::aead::Nonce::assume_unique_for_key(nonce);
    let tag = key.seal_in_place_separate_tag(nonce, Aad::from(context), &mut out[HEADER..]);
    out.extend_from_slice(tag.expect("GCM seals anything below 64 GiB").as_ref());
    out
}

fn key_id(sealed: &[u8]) -> Result<[u8; ID], OpenError> {
    match sealed {
        [VERSION, id @ ..] if sealed.len() >= HEADER + AES_256_GCM.tag_len() => {
            id.first_chunk().copied().ok_or(OpenError::Malformed)
        }
        _ => Err(OpenError::Malformed),
    }
}

/// In place: the plain text moves to the front of `sealed`. The length was checked by [`key_id`].
fn unlock(
    key: &LessSafeKey,
    context: &[u8],
    sealed: Vec<u8>,
) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let mut sealed = Zeroizing::new(sealed);
    let nonce = sealed[1 + ID..HEADER].try_into().map_err(|_| OpenError::Malformed)?;
    let nonce = aws_lc_rs::aead::Nonce::assume_unique_for_key(nonce);
    let plain = key.open_within(nonce, Aad::from(context), &mut sealed, HEADER..);
    let length = plain.map_err(|_| OpenError::Forged)?.len();
    sealed.truncate(length);
    Ok(sealed)
}

#[cfg(test)]
mod tests;
