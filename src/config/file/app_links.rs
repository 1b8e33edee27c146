//! Addresses that open apps, as written.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

/// Addresses that open apps: the files by which phones know that the apps belong here, and what a browser sees where no app takes
/// them. Both are answered on every host, to everybody, by sidegate itself.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct AppLinks {
    /// What is served as `/.well-known/apple-app-site-association` and `/apple-app-site-association`.
    pub(crate) apple: Option<Association>,
    /// What is served as `/.well-known/assetlinks.json`.
    pub(crate) android: Option<Association>,
    /// The paths of links that open apps, exactly. A browser that comes there gets a page that leads nowhere.
    #[schemars(extend("examples" = [["/authorize", "/redirect"]]))]
    pub(crate) paths: Vec<String>,
}

/// A file of JSON: exactly one of `file` and `text`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("minProperties" = 1, "maxProperties" = 1, "examples" = [{"file": "/etc/sidegate/assetlinks.json"}]))]
pub(crate) struct Association {
    /// Where it is.
    #[schemars(extend("examples" = ["/etc/sidegate/assetlinks.json"]))]
    pub(crate) file: Option<PathBuf>,
    /// The JSON itself.
    #[schemars(extend("examples" = ["[]"]))]
    pub(crate) text: Option<String>,
}
