//! How a secret is written: where to find it, or, if it must be, itself.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

use crate::base::secret::Secret as Hidden;

/// A secret: exactly one of `file`, `env` and `value`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("minProperties" = 1, "maxProperties" = 1, "examples" = [{"file": "/run/secrets/client_secret"}]))]
pub(crate) struct Secret {
    /// A file whose text, without one line end at its end, is the secret. Others should not be able to read it.
    #[schemars(extend("examples" = ["/run/secrets/client_secret"]))]
    pub(crate) file: Option<PathBuf>,
    /// The environment variable that holds the secret.
    #[schemars(extend("examples" = ["CLIENT_SECRET"]))]
    pub(crate) env: Option<String>,
    /// The secret itself. Whoever reads the configuration can read it: prefer `file` or `env`.
    #[serde(default, deserialize_with = "hidden")]
    #[schemars(with = "Option<String>", extend("examples" = ["only-for-trials"], "writeOnly" = true))]
    pub(crate) value: Option<Hidden<String>>,
}

fn hidden<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Hidden<String>>, D::Error> {
    String::deserialize(deserializer).map(|text| Some(Hidden::new(text)))
}
