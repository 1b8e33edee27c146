//! What is where in the store. The part in braces is all that a Cluster goes by when it places a key
//! ([Cluster specification, hash tags](https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#hash-tags)):
//! what one script touches has the same.

use aws_lc_rs::digest::{Context, SHA256};

use crate::session::{Revoked, Session, SessionId};

/// Names keys, all with the same beginning.
#[derive(Clone, Debug)]
pub(super) struct Keys(pub(super) String);

/// Who has several sessions: a login or a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Group {
    /// `l` for logins, `u` for persons.
    pub(super) kind: &'static str,
    name: String,
}

impl Keys {
    /// A session: its body, and what must be known of it without.
    pub(super) fn session(&self, id: SessionId) -> String {
        self.of(id, "s")
    }

    /// That a session was ended.
    pub(super) fn session_ended(&self, id: SessionId) -> String {
        self.of(id, "x")
    }

    /// Whose turn it is to renew a session.
    pub(super) fn turn(&self, id: SessionId) -> String {
        self.of(id, "t")
    }

    /// A session that is in its cookie, as it was renewed last.
    pub(super) fn renewed(&self, id: SessionId) -> String {
        self.of(id, "r")
    }

    /// The sessions of a group, each with the second it ends.
    pub(super) fn group(&self, group: &Group) -> String {
        format!("{}{}:{{{}}}", self.0, group.kind, group.name)
    }

    /// That a group was ended, and when.
    pub(super) fn group_ended(&self, group: &Group) -> String {
        format!("{}x{}:{{{}}}", self.0, group.kind, group.name)
    }

    /// What was ended, in order.
    pub(super) fn ends(&self) -> String {
        format!("{}ends", self.0)
    }

    /// That something was used.
    pub(super) fn used(&self, name: &str) -> String {
        format!("{}h:{name}", self.0)
    }

    /// Written to see whether anything can be.
    pub(super) fn probe(&self) -> String {
        format!("{}probe", self.0)
    }

    /// What all sessions' keys look like.
    pub(super) fn any_session(&self) -> String {
        let escaped: String = self.0.chars().flat_map(escaped).collect();
        format!("{escaped}s:{{*}}")
    }

    /// The session whose key this is.
    pub(super) fn parse_session(&self, key: &str) -> Option<SessionId> {
        let rest = key.strip_prefix(self.0.as_str())?.strip_prefix("s:{")?;
        SessionId::parse(rest.strip_suffix('}')?)
    }

    fn of(&self, id: SessionId, kind: &str) -> String {
        format!("{}{kind}:{{{}}}", self.0, id.text())
    }
}

/// A character of a pattern that means itself.
fn escaped(character: char) -> impl Iterator<Item = char> {
    let special = matches!(character, '*' | '?' | '[' | ']' | '\\' | '^' | '-');
    special.then_some('\\').into_iter().chain([character])
}

impl Group {
    /// All sessions of a person.
    pub(super) fn person(issuer: &str, subject: &str) -> Self {
        Self { kind: "u", name: hashed(issuer, subject) }
    }

    /// All sessions of a login.
    pub(super) fn login(issuer: &str, sid: &str) -> Self {
        Self { kind: "l", name: hashed(issuer, sid) }
    }

    /// Those that a session belongs to.
    pub(super) fn all_of(session: &Session) -> impl Iterator<Item = Self> + '_ {
        let login = session.sid.iter().map(|sid| Self::login(&session.issuer, sid));
        login.chain([Self::person(&session.issuer, &session.subject)])
    }

    /// The one that is ended, if it is one.
    pub(super) fn ended(what: &Revoked) -> Option<Self> {
        match what {
            Revoked::All | Revoked::Session(_) => None,
            Revoked::Sid { issuer, sid } => Some(Self::login(issuer, sid)),
            Revoked::Subject { issuer, subject } => Some(Self::person(issuer, subject)),
        }
    }
}

/// Persons and logins are hashed: the store need not know them to find their sessions.
fn hashed(issuer: &str, name: &str) -> String {
    let mut hash = Context::new(&SHA256);
    hash.update(&issuer.len().to_be_bytes());
    hash.update(issuer.as_bytes());
    hash.update(name.as_bytes());
    let mut name = [0; 16];
    name.copy_from_slice(&hash.finish().as_ref()[..16]);
    SessionId::from_bytes(name).text()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_script_touches_has_one_tag() {
        let (keys, id) = (Keys("app:".to_owned()), SessionId::from_bytes([7; 16]));
        let tag = format!("{{{}}}", id.text());
        for key in [keys.session(id), keys.session_ended(id), keys.turn(id), keys.renewed(id)] {
            assert!(key.starts_with("app:") && key.ends_with(&tag), "{key}");
        }
        assert_eq!(keys.parse_session(&keys.session(id)), Some(id));
        assert_eq!(keys.parse_session(&keys.turn(id)), None);
    }

    #[test]
    fn the_prefix_is_no_pattern() {
        let keys = Keys("a*[b]:".to_owned());
        assert_eq!(keys.any_session(), "a\\*\\[b\\]:s:{*}");
    }
}
