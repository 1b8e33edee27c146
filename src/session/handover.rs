//! Sessions that are handed from the host where people sign in to another one, and what protects that.
//!
//! Three sealed texts, one for each leg. The app's host keeps a [`Departure`] in a cookie of the browser and sends a [`Referral`]
//! along; the host for signing in answers with a [`Handover`], which only that browser can use, at that host, soon, and once.
//! So nobody can plant a session of their own in another browser
//! ([RFC 9700 §4.7](https://www.rfc-editor.org/rfc/rfc9700#section-4.7)), and a code that was overheard is of no use elsewhere.

use std::time::Duration;

use crate::base::secret::Secret;
use crate::base::time::Timestamp;
use crate::session::attempt::AttemptId;
use crate::session::cookie::CookieSpec;
use crate::session::return_to::ReturnTo;
use crate::session::seal::{Nonce, OpenError, Purpose, SealContext, SealingKeys};
use crate::session::wire::{DecodeError, Reader, Writer};
use crate::session::{Session, SessionId, Ticket, Tokens};

const VERSION: u8 = 1;

/// The longest code, in bytes: servers in front take lines of 8 KiB.
const MAX_CODE: usize = 7000;

/// The address in a code is for browsers that come a second time; the departure has the whole one.
const MAX_RETURN_TO: usize = 512;

/// A sign-in that one host left to another: what must be the same when the person comes back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Departure {
    /// Names it, in its cookie's name, in the referral and in the code.
    pub id: AttemptId,
    /// Where the person goes afterwards.
    pub return_to: ReturnTo,
    /// When it was begun.
    pub created: Timestamp,
}

/// Who sent the browser to the host for signing in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Referral {
    /// The departure that the code must be for.
    pub departure: AttemptId,
    /// Scheme and authority of the host that sent it, as browsers write them.
    pub origin: String,
    /// When it was sent.
    pub created: Timestamp,
}

/// A session on its way to another host.
#[derive(Clone, Debug)]
pub struct Handover {
    /// Names it, so that it is used once.
    pub id: [u8; 16],
    /// The departure that it is for.
    pub departure: AttemptId,
    /// When it was made.
    pub created: Timestamp,
    /// Where the person goes, shortened to its path if it is long.
    pub return_to: ReturnTo,
    /// What is handed over.
    pub parcel: Parcel,
}

/// What is handed over.
#[derive(Clone, Debug)]
pub enum Parcel {
    /// That nobody is signed in, where a person was not to be asked.
    Nobody,
    /// The session itself.
    Session(Box<Session>),
    /// The way to the session in its store.
    Ticket(Ticket),
}

/// Where a browser goes on to, once the host for signing in has forgotten it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Farewell {
    /// The absolute address.
    pub onward: String,
    /// When the person signed out.
    pub created: Timestamp,
}

/// Why a text is none of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HandoverError {
    /// It opens, but another version wrote it.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// It is over.
    #[error("it was made too long ago")]
    Expired,
    /// It does not open.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// It is longer than servers take.
    #[error(
        "a code of {0} bytes, more than the {MAX_CODE} that fit into an address; keep fewer claims, or keep sessions in a store"
    )]
    TooLong(usize),
}

impl Departure {
    /// How long a person may take: as long as for an attempt.
    pub const LIFETIME: Duration = Duration::from_secs(600);

    /// The value of its cookie `spec` for `host`. `nonce` must be random and new.
    pub fn seal(&self, keys: &SealingKeys, spec: &CookieSpec, host: &str, nonce: Nonce) -> String {
        let mut out = Writer::new(VERSION);
        out.raw(self.id.as_bytes());
        out.time(self.created);
        out.text(self.return_to.as_str());
        keys.seal(&spec.context(Purpose::Departure, host), nonce, &out.finish())
    }

    /// Opens the value of the cookie `spec`, sent to `host` at `now`.
    ///
    /// # Errors
    /// [`HandoverError`].
    pub fn open(
        keys: &SealingKeys,
        spec: &CookieSpec,
        host: &str,
        sealed: &str,
        now: Timestamp,
    ) -> Result<Self, HandoverError> {
        let plain = keys.open(&spec.context(Purpose::Departure, host), sealed)?;
        let mut reader = Reader::new(&plain, VERSION)?;
        let departure = Self {
            id: AttemptId::from_bytes(reader.array()?),
            created: reader.time()?,
            return_to: reader.string().map(ReturnTo::from_sealed)?,
        };
        reader.finish()?;
        within(departure.created, Self::LIFETIME, now)?;
        Ok(departure)
    }
}

impl Referral {
    /// How long a person may take, the choice of a provider included.
    pub const LIFETIME: Duration = Departure::LIFETIME;

    /// The parameter, for the host `home`. `nonce` must be random and new.
    pub fn seal(&self, keys: &SealingKeys, home: &str, nonce: Nonce) -> String {
        let mut out = Writer::new(VERSION);
        self.write(&mut out);
        keys.seal(&parameter(Purpose::Referral, home), nonce, &out.finish())
    }

    /// Opens the parameter of a request to the host `home` at `now`.
    ///
    /// # Errors
    /// [`HandoverError`].
    pub fn open(
        keys: &SealingKeys,
        home: &str,
        sealed: &str,
        now: Timestamp,
    ) -> Result<Self, HandoverError> {
        let plain = keys.open(&parameter(Purpose::Referral, home), sealed)?;
        let mut reader = Reader::new(&plain, VERSION)?;
        let referral = Self::read(&mut reader)?;
        reader.finish()?;
        within(referral.created, Self::LIFETIME, now)?;
        Ok(referral)
    }

    pub(super) fn write(&self, out: &mut Writer) {
        out.raw(self.departure.as_bytes());
        out.text(&self.origin);
        out.time(self.created);
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            departure: AttemptId::from_bytes(reader.array()?),
            origin: reader.string()?,
            created: reader.time()?,
        })
    }
}

impl Handover {
    /// How long the browser may take from one host to the other.
    pub const LIFETIME: Duration = Duration::from_secs(60);

    /// Hands `parcel` over to whoever sent the `referral`. `id` must be random and new.
    pub fn new(
        id: [u8; 16],
        referral: &Referral,
        return_to: &ReturnTo,
        parcel: Parcel,
        now: Timestamp,
    ) -> Self {
        let return_to = return_to.shortened(MAX_RETURN_TO);
        Self { id, departure: referral.departure, created: now, return_to, parcel }
    }

    /// The code, for the host at `origin`. `nonce` must be random and new.
    ///
    /// # Errors
    /// [`HandoverError::TooLong`].
    pub fn seal(
        &self,
        keys: &SealingKeys,
        origin: &str,
        nonce: Nonce,
    ) -> Result<String, HandoverError> {
        let mut out = Writer::new(VERSION);
        out.raw(&self.id);
        out.raw(self.departure.as_bytes());
        out.time(self.created);
        out.text(self.return_to.as_str());
        self.parcel.write(&mut out);
        let code = keys.seal(&parameter(Purpose::Handover, origin), nonce, &out.finish());
        if code.len() > MAX_CODE { Err(HandoverError::TooLong(code.len())) } else { Ok(code) }
    }

    /// Opens the code of a request to `origin`, however old it is.
    ///
    /// # Errors
    /// [`HandoverError`] for what we did not write for that host.
    pub fn open(keys: &SealingKeys, origin: &str, sealed: &str) -> Result<Self, HandoverError> {
        let plain = keys.open(&parameter(Purpose::Handover, origin), sealed)?;
        let mut reader = Reader::new(&plain, VERSION)?;
        let handover = Self {
            id: reader.array()?,
            departure: AttemptId::from_bytes(reader.array()?),
            created: reader.time()?,
            return_to: reader.string().map(ReturnTo::from_sealed)?,
            parcel: Parcel::read(&mut reader)?,
        };
        reader.finish()?;
        Ok(handover)
    }

    /// Whether its time is over.
    pub fn is_over(&self, now: Timestamp) -> bool {
        within(self.created, Self::LIFETIME, now).is_err()
    }

    /// The first moment at which it is over.
    pub fn ends(&self) -> Timestamp {
        self.created + Self::LIFETIME
    }
}

impl Parcel {
    /// What is handed over of `session`, which is stored under `ticket` if it has one.
    pub fn of(session: &Session, ticket: Option<&Ticket>) -> Self {
        match ticket {
            Some(ticket) => Self::Ticket(ticket.clone()),
            None => Self::Session(Box::new(session.clone())),
        }
    }

    /// A session goes without the tokens that no cookie has room for.
    fn write(&self, out: &mut Writer) {
        match self {
            Self::Nobody => out.byte(0),
            Self::Session(session) => {
                let tokens =
                    Tokens { refresh: session.tokens.refresh.clone(), ..Tokens::default() };
                let session = Session { tokens, ..(**session).clone() };
                out.byte(1);
                out.bytes(&session.encode());
            }
            Self::Ticket(ticket) => {
                out.byte(2);
                out.raw(ticket.id.as_bytes());
                out.raw(ticket.key.expose());
            }
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match reader.byte()? {
            0 => Self::Nobody,
            1 => Self::Session(Box::new(Session::decode(reader.bytes()?)?)),
            2 => Self::Ticket(Ticket {
                id: SessionId::from_bytes(reader.array()?),
                key: Secret::new(reader.array()?),
            }),
            _ => return Err(DecodeError::Malformed),
        })
    }
}

impl Farewell {
    /// How long the browser may take from one host to the other.
    pub const LIFETIME: Duration = Handover::LIFETIME;

    /// The parameter, for the host `home`. `nonce` must be random and new.
    ///
    /// # Errors
    /// [`HandoverError::TooLong`].
    pub fn seal(
        &self,
        keys: &SealingKeys,
        home: &str,
        nonce: Nonce,
    ) -> Result<String, HandoverError> {
        let mut out = Writer::new(VERSION);
        out.text(&self.onward);
        out.time(self.created);
        let text = keys.seal(&parameter(Purpose::Farewell, home), nonce, &out.finish());
        if text.len() > MAX_CODE { Err(HandoverError::TooLong(text.len())) } else { Ok(text) }
    }

    /// Opens the parameter of a request to the host `home` at `now`.
    ///
    /// # Errors
    /// [`HandoverError`].
    pub fn open(
        keys: &SealingKeys,
        home: &str,
        sealed: &str,
        now: Timestamp,
    ) -> Result<Self, HandoverError> {
        let plain = keys.open(&parameter(Purpose::Farewell, home), sealed)?;
        let mut reader = Reader::new(&plain, VERSION)?;
        let farewell = Self { onward: reader.string()?, created: reader.time()? };
        reader.finish()?;
        within(farewell.created, Self::LIFETIME, now)?;
        Ok(farewell)
    }
}

/// Where a parameter belongs: `scope` is a host or an origin.
const fn parameter(purpose: Purpose, scope: &str) -> SealContext<'_> {
    SealContext { purpose, name: "parameter", scope }
}

fn within(created: Timestamp, lifetime: Duration, now: Timestamp) -> Result<(), HandoverError> {
    if now >= created + lifetime { Err(HandoverError::Expired) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
