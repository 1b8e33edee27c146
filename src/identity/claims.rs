//! Where in a token a fact stands: by exact claim name or by JSON Pointer.

use std::borrow::Cow;

use serde_json::Value;

use crate::token::Claims;

/// The way to one value in the claims.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ClaimPath {
    /// A top-level claim by its exact name, whatever characters it has: `https://app.example/roles` is one name.
    Name(String),
    /// A JSON Pointer ([RFC 6901](https://www.rfc-editor.org/rfc/rfc6901)): `/realm_access/roles`.
    Pointer(String),
}

/// Why a text is no claim path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no claim: expected a claim name, or a JSON Pointer such as /realm_access/roles")]
pub struct ClaimPathError(pub String);

impl ClaimPath {
    /// Reads a claim name, or a JSON Pointer where `text` begins with `/`.
    pub fn parse(text: &str) -> Result<Self, ClaimPathError> {
        if text.is_empty() || text.chars().any(char::is_control) {
            return Err(ClaimPathError(text.to_owned()));
        }
        let Some(pointer) = text.strip_prefix('/') else {
            return Ok(Self::Name(text.to_owned()));
        };
        let escapes_hold = pointer.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
        if pointer.is_empty() || !escapes_hold {
            return Err(ClaimPathError(text.to_owned()));
        }
        Ok(Self::Pointer(text.to_owned()))
    }

    /// The value there; JSON `null` counts as absent.
    pub fn find<'c>(&self, claims: &'c Claims) -> Option<&'c Value> {
        let found = match self {
            Self::Name(name) => claims.get(name),
            Self::Pointer(pointer) => {
                let (first, rest) = first_token(pointer);
                let top = claims.get(&first)?;
                if rest.is_empty() { Some(top) } else { top.pointer(rest) }
            }
        };
        found.filter(|value| !value.is_null())
    }

    /// The value as text: strings as they are, numbers and booleans in JSON's spelling, else nothing.
    pub fn text(&self, claims: &Claims) -> Option<String> {
        self.find(claims).and_then(scalar)
    }

    /// The value as a list: an array's scalars, or one scalar alone.
    pub fn list(&self, claims: &Claims) -> Vec<String> {
        self.find(claims).map(list).unwrap_or_default()
    }

    /// The value as words: an array's scalars, or the space-separated words of a text.
    pub fn words(&self, claims: &Claims) -> Vec<String> {
        self.find(claims).map(words).unwrap_or_default()
    }
}

/// Where a fact may stand: in the first of these claims that is there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClaimPaths(Vec<ClaimPath>);

impl ClaimPaths {
    /// The first of `paths` that is there.
    pub const fn new(paths: Vec<ClaimPath>) -> Self {
        Self(paths)
    }

    /// The paths, in the order in which they are tried.
    pub fn iter(&self) -> impl Iterator<Item = &ClaimPath> {
        self.0.iter()
    }

    /// See [`ClaimPath::text`].
    pub fn text(&self, claims: &Claims) -> Option<String> {
        self.first(claims).and_then(scalar)
    }

    /// See [`ClaimPath::list`].
    pub fn list(&self, claims: &Claims) -> Vec<String> {
        self.first(claims).map(list).unwrap_or_default()
    }

    /// See [`ClaimPath::words`].
    pub fn words(&self, claims: &Claims) -> Vec<String> {
        self.first(claims).map(words).unwrap_or_default()
    }

    fn first<'c>(&self, claims: &'c Claims) -> Option<&'c Value> {
        self.iter().find_map(|path| path.find(claims))
    }
}

impl From<ClaimPath> for ClaimPaths {
    fn from(path: ClaimPath) -> Self {
        Self(vec![path])
    }
}

fn first_token(pointer: &str) -> (Cow<'_, str>, &str) {
    let body = &pointer[1..];
    let (first, rest) = body.split_at(body.find('/').unwrap_or(body.len()));
    let first = match first.contains('~') {
        true => first.replace("~1", "/").replace("~0", "~").into(),
        false => first.into(),
    };
    (first, rest)
}

/// The scalars of an array, or one scalar alone.
fn list(value: &Value) -> Vec<String> {
    match value {
        Value::Array(values) => values.iter().filter_map(scalar).collect(),
        value => scalar(value).into_iter().collect(),
    }
}

/// The scalars of an array, or the words of a text.
fn words(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => text.split_ascii_whitespace().map(str::to_owned).collect(),
        value => list(value),
    }
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Which claims carry what, for one provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimMap {
    /// What apps know the caller by.
    pub user: ClaimPaths,
    /// The mail address.
    pub email: ClaimPaths,
    /// The full name.
    pub name: ClaimPaths,
    /// The short name.
    pub preferred_username: ClaimPaths,
    /// Groups.
    pub groups: ClaimPaths,
    /// Roles.
    pub roles: ClaimPaths,
    /// Scopes.
    pub scopes: ClaimPaths,
    /// When `auth_time` says when the person proved something.
    pub auth_time: AuthTimeRule,
}

/// When `auth_time` counts, where a rule asks how long ago a person proved who they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AuthTimeRule {
    /// Always.
    #[default]
    Alone,
    /// Only beside an `amr` that names a method: without, it is when some app said that the person may go on.
    WithMethods,
}

impl Default for ClaimMap {
    /// The standard names.
    fn default() -> Self {
        let name = |name: &str| ClaimPath::Name(name.to_owned()).into();
        Self {
            user: name("sub"),
            email: name("email"),
            name: name("name"),
            preferred_username: name("preferred_username"),
            groups: name("groups"),
            roles: name("roles"),
            scopes: name("scope"),
            auth_time: AuthTimeRule::default(),
        }
    }
}
