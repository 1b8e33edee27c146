//! `sidegate explain`: what would be decided for a request, and why.

use std::str::FromStr;

use anyhow::{Context, anyhow};
use clap::ArgAction;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Uri};

use crate::base::host::Authority;
use crate::cli::output::print;
use crate::cli::{ConfigFile, Failure, run};
use crate::clock::Clock;
use crate::gate::{Decision, Facts, RequestView, Scheme, Target, narrate};
use crate::serve::keys::fetch;
use crate::serve::screen::screen;
use crate::serve::settings::ServiceSettings;
use crate::session::RevocationSet;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    config: ConfigFile,
    /// The address asked for, such as `https://app.example.com/orders?x=1`
    #[arg(long)]
    url: String,
    /// The method
    #[arg(long, default_value = "GET")]
    method: String,
    /// A bearer token
    #[arg(long, env = "SIDEGATE_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// A cookie, as name=value; may be given several times
    #[arg(long, value_name = "NAME=VALUE", action = ArgAction::Append)]
    cookie: Vec<String>,
    /// A header, as "Name: value"; may be given several times
    #[arg(long, value_name = "NAME: VALUE", action = ArgAction::Append)]
    header: Vec<String>,
    /// As a browser navigates: adds the headers by which it says so
    #[arg(long)]
    browser: bool,
}

/// A request as the command line describes it.
struct Described {
    method: Method,
    scheme: Scheme,
    authority: String,
    target: String,
    headers: HeaderMap,
}

pub(crate) fn main(arguments: &Arguments) -> Result<(), Failure> {
    let loaded = arguments.config.load()?;
    let described = describe(arguments).map_err(Failure::Usage)?;
    let text = run::runtime(1)?.block_on(explain(loaded.settings.service, &described))?;
    Ok(print(&text)?)
}

fn describe(arguments: &Arguments) -> anyhow::Result<Described> {
    let uri =
        Uri::from_str(&arguments.url).with_context(|| format!("`{}` is no URL", arguments.url))?;
    let scheme = match uri.scheme_str() {
        Some("http") => Scheme::Http,
        Some("https") => Scheme::Https,
        _ => return Err(anyhow!("`{}` is no http or https URL", arguments.url)),
    };
    let authority = uri.authority().map(ToString::to_string).unwrap_or_default();
    readable(&authority)?;
    // What stands behind the host in the very characters given: a URL library would tidy the path up.
    let rest = arguments.url.split_once("://").map_or("", |(_, rest)| rest);
    let target = rest.find(['/', '?']).map_or("/", |start| &rest[start..]).to_owned();
    let method = Method::from_str(&arguments.method)
        .with_context(|| format!("`{}` is no method", arguments.method))?;
    Ok(Described { method, scheme, authority, target, headers: headers(arguments)? })
}

fn readable(authority: &str) -> anyhow::Result<Authority<'_>> {
    Authority::parse(authority).ok_or_else(|| anyhow!("`{authority}` is no host"))
}

fn headers(arguments: &Arguments) -> anyhow::Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    if arguments.browser {
        headers.insert(
            header::ACCEPT,
            HeaderValue::from_static("text/html,application/xhtml+xml,*/*;q=0.8"),
        );
        headers.insert("sec-fetch-mode", HeaderValue::from_static("navigate"));
    }
    for line in &arguments.header {
        let (name, value) = line
            .split_once(':')
            .ok_or_else(|| anyhow!("`{line}` is no header: expected \"Name: value\""))?;
        let name = HeaderName::from_str(name.trim())
            .with_context(|| format!("`{name}` is no header name"))?;
        headers.append(name, HeaderValue::from_str(value.trim())?);
    }
    if let Some(token) = &arguments.token {
        headers.append(header::AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {token}"))?);
    }
    for cookie in &arguments.cookie {
        headers.append(header::COOKIE, HeaderValue::from_str(cookie)?);
    }
    Ok(headers)
}

async fn explain(settings: ServiceSettings, described: &Described) -> anyhow::Result<String> {
    let Described { method, scheme, authority, target, headers } = described;
    let authority = readable(authority)?;
    let screened = screen(method, target.as_bytes(), headers, &settings.limits);
    let target = match screened.and_then(|()| Target::parse(target)) {
        Ok(target) => target,
        // Nobody is asked for keys, and no route looked for, where the request itself is refused.
        Err(reason) => return Ok(format!("{:<11} refuse ({})\n", "decision", reason.label())),
    };
    let (keys, notes) = fetch(settings.keys, &settings.outbound).await?;
    // Which sessions were ended, only the running process knows.
    let revoked = RevocationSet::new(1);
    let facts = Facts::new(&keys).with_revocations(&revoked);
    let request = RequestView {
        method,
        scheme: *scheme,
        authority: &authority,
        target,
        headers,
        client: None,
        certificate: None,
        relayed: false,
        terms: None,
        familiar: None,
    };
    let (steps, decision) = narrate(&settings.policy, request, &facts, Clock::system().now());
    let removed = settings.policy.managed.found_in(headers);
    let mut lines: Vec<String> =
        notes.into_iter().map(|note| format!("{:<11} {note}", "keys")).collect();
    lines.extend(steps.iter().map(ToString::to_string));
    lines.extend(removed.iter().map(|name| format!("{:<11} {name}", "removed")));
    lines.extend(decision.iter().flat_map(consequences));
    Ok(lines.join("\n") + "\n")
}

/// What a decision would do.
fn consequences(decision: &Decision) -> Vec<String> {
    let line = |subject: &str, text: String| format!("{subject:<11} {text}");
    match decision {
        Decision::Allow(permit) => {
            let set = |(name, value): &(HeaderName, HeaderValue)| {
                line("set", format!("{name}: {}", value.to_str().unwrap_or("")))
            };
            permit.identity_headers().iter().map(set).collect()
        }
        Decision::SignIn(sign_in) => vec![line("location", sign_in.location.clone())],
        Decision::Challenge(challenge) => {
            challenge.login_url.iter().map(|url| line("login_url", url.clone())).collect()
        }
        _ => Vec::new(),
    }
}
