//! What upstreams learn about callers, as written.

use crate::config::file::list::List;
use crate::config::file::secret::Secret;
use crate::config::units::Span;
use crate::gate::Preset;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, de};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// What goes upstream about the caller. What a route leaves out is as in the top-level `identity`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Identity {
    /// The header contract that the app knows, or several; left out: `x-forwarded`.
    #[schemars(extend("examples" = ["x-forwarded"]))]
    pub(crate) headers: Option<List<HeaderSet>>,
    /// More headers, each with the claim it carries: the exact name of a claim, or a JSON Pointer such as
    /// `/realm_access/roles`. Lists are joined by commas; what is not visible ASCII is percent-encoded.
    #[schemars(extend("examples" = [{"X-Department": "department"}]))]
    pub(crate) claims: Option<BTreeMap<String, String>>,
    /// Whether a signed assertion goes along; left out: no. `true`: for the name of the route as audience.
    pub(crate) assertion: Option<RouteAssertion>,
    /// What becomes of `Authorization` and of other headers that carry tokens; left out: `keep`.
    pub(crate) authorization: Option<Disposal>,
    /// What becomes of SSO cookies; left out: `keep`.
    pub(crate) cookie: Option<Disposal>,
}

/// Whether something goes upstream.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Disposal {
    /// It goes upstream as it came.
    Keep,
    /// It stays here, so that the upstream cannot use it elsewhere.
    Remove,
}

/// `true`, `false`, or how the assertion is made.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum RouteAssertion {
    Switch(bool),
    Spec(AssertionSpec),
}

/// The assertion of one route; what is left out is as in the top-level `assertion`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct AssertionSpec {
    /// Its `aud`; left out: the name of the route.
    #[schemars(extend("examples" = ["app"]))]
    pub(crate) audience: Option<String>,
    /// The header that carries it.
    #[schemars(extend("examples" = ["X-Sidegate-Assertion"]))]
    pub(crate) header: Option<String>,
    /// How long it is good for, 5m at most.
    pub(crate) ttl: Option<Span>,
}

/// Who signs assertions, for all routes. The public keys are at `/.auth/jwks`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Assertion {
    /// Private P-256 keys as PKCS#8 PEM, made by `sidegate keys assertion`. The first signs; all are published. Left out: one is
    /// made at each start, so that several replicas would sign with different keys.
    #[schemars(extend("examples" = [[{"file": "/run/secrets/assertion.pem"}]]))]
    pub(crate) keys: Option<Vec<Secret>>,
    /// Its `iss`.
    pub(crate) issuer: String,
    /// How long it is good for, 5m at most.
    pub(crate) ttl: Span,
    /// The header that carries it.
    pub(crate) header: String,
}

impl Default for Assertion {
    fn default() -> Self {
        Self {
            keys: None,
            issuer: String::from("sidegate"),
            ttl: Span::secs(60),
            header: String::from("X-Sidegate-Assertion"),
        }
    }
}

/// A header contract, or the word for none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeaderSet {
    /// No identity headers but those of `claims`.
    None,
    /// Those of a product that apps know.
    Preset(Preset),
}

impl HeaderSet {
    const NONE: &'static str = "none";

    fn parse(name: &str) -> Option<Self> {
        if name == Self::NONE {
            return Some(Self::None);
        }
        Preset::ALL.into_iter().find(|preset| preset.name() == name).map(Self::Preset)
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::None => Self::NONE,
            Self::Preset(preset) => preset.name(),
        }
    }
}

impl<'de> Deserialize<'de> for HeaderSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Self::parse(&name).ok_or_else(|| de::Error::custom("unknown header set"))
    }
}

impl Serialize for HeaderSet {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl JsonSchema for HeaderSet {
    fn schema_name() -> Cow<'static, str> {
        "HeaderSet".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let describe = |preset: Preset| {
            let fields = preset.fields();
            let names: Vec<&str> = fields.iter().map(|(name, _)| name.as_str()).collect();
            json_schema!({ "type": "string", "const": preset.name(), "description": names.join(", ") })
        };
        let none = json_schema!({
            "type": "string", "const": Self::NONE, "description": "No identity headers but those of `claims`.",
        });
        let all: Vec<Schema> = Preset::ALL.into_iter().map(describe).chain([none]).collect();
        json_schema!({ "description": "A header contract that apps know.", "oneOf": all })
    }
}
