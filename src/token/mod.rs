//! Stand-in for the key set of the token module.

use serde_json::Value;

/// A stand-in key set.
#[derive(Debug)]
pub struct KeySet(usize);

/// A parsed stand-in.
pub struct ParsedKeys {
    /// The keys.
    pub keys: KeySet,
    /// What was skipped.
    pub skipped: Vec<SkippedKey>,
}

/// A skipped key.
pub struct SkippedKey {
    /// Its id.
    pub kid: Option<String>,
    /// Why.
    pub why: &'static str,
}

/// Why not.
#[derive(Debug, thiserror::Error)]
pub enum KeySetError {
    /// No JSON.
    #[error("key set is not JSON")]
    NotJson(#[source] serde_json::Error),
    /// No key.
    #[error("key set has no usable key")]
    NoUsableKey,
}

impl KeySet {
    /// Parses.
    pub fn parse(json: &[u8]) -> Result<ParsedKeys, KeySetError> {
        let document: Value = serde_json::from_slice(json).map_err(KeySetError::NotJson)?;
        let usable = |key: &&Value| key["kty"] == "EC" && key["use"] != "enc";
        let count =
            document["keys"].as_array().map_or(0, |keys| keys.iter().filter(usable).count());
        match count {
            0 => Err(KeySetError::NoUsableKey),
            count if count > 100 => Err(KeySetError::NoUsableKey),
            count => Ok(ParsedKeys { keys: Self(count), skipped: Vec::new() }),
        }
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.0
    }

    /// Whether none.
    pub fn is_empty(&self) -> bool {
        self.0 == 0
    }
}

/// Stand-in.
pub struct Algorithm;

impl std::str::FromStr for Algorithm {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        if matches!(name, "RS256" | "ES256" | "EdDSA") { Ok(Self) } else { Err(()) }
    }
}
