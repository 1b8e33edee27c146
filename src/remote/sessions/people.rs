//! Which sessions there are, and whose: for those who look after them, and for people who look at their own.
//!
//! Sessions themselves are sealed under keys that only browsers have. What is told here was noted when they began, sealed under the
//! keys that replicas share.

use std::cmp::Reverse;

use crate::base::time::Timestamp;
use crate::remote::sessions::{Sessions, Store, StoreError, body};
use crate::session::{Note, Session, SessionId};

/// Why sessions cannot be listed.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// They are in their cookies.
    #[error("sessions are in the cookies of browsers: nobody has a list of them")]
    InCookies,
    /// They cannot be had.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A session that is stored.
#[derive(Clone, Debug)]
pub struct Known {
    /// Its name. Not to be shown: see [`SessionId::alias`].
    pub id: SessionId,
    /// When it was used last, give or take a few minutes.
    pub used: Timestamp,
    /// What was noted of it; nothing, where that cannot be read.
    pub note: Option<Note>,
}

impl Sessions {
    /// Notes what is to be told of a stored session. Does nothing where there is no list.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn note(&self, session: &Session, note: &Note) -> Result<(), StoreError> {
        let sealed = || Ok::<_, StoreError>(note.seal(&self.keys, session.id, body::nonce()?));
        match &*self.store {
            Store::Cookie(_) | Store::Coordinated(..) => Ok(()),
            Store::Memory(shelf) => {
                shelf.note(session.id, note.clone());
                Ok(())
            }
            Store::Redis(remote) => remote.note(session.id, &sealed()?).await,
        }
    }

    /// The sessions of a person, the newest first.
    ///
    /// # Errors
    /// [`ListError`].
    pub async fn of_person(
        &self,
        issuer: &str,
        subject: &str,
        now: Timestamp,
    ) -> Result<Vec<Known>, ListError> {
        match &*self.store {
            Store::Cookie(_) | Store::Coordinated(..) => Err(ListError::InCookies),
            Store::Memory(shelf) => Ok(sorted(shelf.of_person(issuer, subject, now))),
            Store::Redis(remote) => {
                let listed = remote.of_person(issuer, subject).await?;
                Ok(self.known(listed))
            }
        }
    }

    /// All sessions of a store that processes share, the newest first.
    ///
    /// # Errors
    /// [`ListError`].
    pub async fn everybodys(&self) -> Result<Vec<Known>, ListError> {
        match &*self.store {
            Store::Cookie(_) | Store::Coordinated(..) => Err(ListError::InCookies),
            Store::Memory(_) => Ok(Vec::new()),
            Store::Redis(remote) => Ok(self.known(remote.everybodys().await?)),
        }
    }

    fn known(&self, listed: Vec<super::redis::Listed>) -> Vec<Known> {
        let opened = |one: super::redis::Listed| {
            let note = one.note.and_then(|text| Note::open(&self.keys, one.id, &text).ok());
            Known { id: one.id, used: one.used, note }
        };
        sorted(listed.into_iter().map(opened).collect())
    }
}

fn sorted(mut known: Vec<Known>) -> Vec<Known> {
    let started = |one: &Known| one.note.as_ref().map(|note| note.started);
    known.sort_by_key(|one| Reverse((started(one), one.used, one.id)));
    known
}
