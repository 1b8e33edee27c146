//! What was ended, as one line of text: for the file of revocations, and for the other processes of one store.

use serde::{Deserialize, Serialize};

use crate::base::time::Timestamp;
use crate::session::{Revoked, SessionId};

/// One end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) what: Revoked,
    pub(super) at: Timestamp,
    pub(super) keep_until: Timestamp,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    ended: What,
    at: u64,
    until: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum What {
    All {},
    Session { id: String },
    Sid { issuer: String, sid: String },
    Subject { issuer: String, subject: String },
}

impl Record {
    /// One line of JSON, without its end.
    pub(super) fn line(&self) -> String {
        let what = match self.what.clone() {
            Revoked::All => What::All {},
            Revoked::Session(id) => What::Session { id: id.text() },
            Revoked::Sid { issuer, sid } => What::Sid { issuer, sid },
            Revoked::Subject { issuer, subject } => What::Subject { issuer, subject },
        };
        let line = Line { ended: what, at: self.at.as_secs(), until: self.keep_until.as_secs() };
        // Strings and numbers alone: writing them as JSON does not fail.
        serde_json::to_string(&line).unwrap_or_default()
    }

    /// Reads what [`Self::line`] wrote; `None` for anything else.
    pub(super) fn parse(line: &str) -> Option<Self> {
        let line: Line = serde_json::from_str(line).ok()?;
        let what = match line.ended {
            What::All {} => Revoked::All,
            What::Session { id } => Revoked::Session(SessionId::parse(&id)?),
            What::Sid { issuer, sid } => Revoked::Sid { issuer, sid },
            What::Subject { issuer, subject } => Revoked::Subject { issuer, subject },
        };
        let (at, keep_until) = (Timestamp::from_secs(line.at), Timestamp::from_secs(line.until));
        Some(Self { what, at, keep_until })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_back_and_anything_else_is_not() {
        let issuer = "https://login.example.com".to_owned();
        for what in [
            Revoked::All,
            Revoked::Session(SessionId::from_bytes([7; 16])),
            Revoked::Sid { issuer: issuer.clone(), sid: "a\nb".to_owned() },
            Revoked::Subject { issuer, subject: "ada".to_owned() },
        ] {
            let (at, keep_until) = (Timestamp::from_secs(5), Timestamp::from_secs(9));
            let record = Record { what, at, keep_until };
            let line = record.line();
            assert!(!line.contains('\n'), "{line}");
            assert_eq!(Record::parse(&line), Some(record));
            assert_eq!(Record::parse(&line[..line.len() - 1]), None, "torn");
        }
        let foreign = r#"{"ended":{"session":{"id":"short"}},"at":1,"until":2}"#;
        for line in ["", "{}", "null", foreign] {
            assert_eq!(Record::parse(line), None, "{line}");
        }
    }
}
