//! `sign_in` and `sign_out`, for all routes and for one.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use smallvec::SmallVec;
use url::Url;

use crate::base::host::{Authority, HostPattern};
use crate::config::compile::session::is_public_suffix;
use crate::config::compile::{matching, times, urls, words};
use crate::config::file::{
    File, Frequency, List, PromptWord, RouteSignIn, SignIn as Written, SignOut as WrittenSignOut,
    SilentWord,
};
use crate::config::inputs::{Inputs, reason};
use crate::config::path::KeyPath;
use crate::config::problem::Report;
use crate::config::units::Span;
use crate::gate::{Access, ProviderId, SignInRule, Silent};
use crate::serve::pages::{Pages, PagesError};
use crate::serve::settings::SignOutSettings;
use crate::session::{AllowedHosts, Prompt};

/// How long a provider's no to a silent sign-in counts, unless said otherwise.
const PROBE_INTERVAL: Duration = Duration::from_secs(900);

/// What `sign_in` says for all routes.
pub(super) struct SignIn {
    /// The one host where people sign in, if there is one.
    pub(super) home: Option<HomeHost>,
    pub(super) return_hosts: AllowedHosts,
    pub(super) keeps_fragments: bool,
}

/// The one host where people sign in.
pub(super) struct HomeHost {
    /// Scheme and authority, as browsers write them.
    pub(super) origin: String,
    /// The host alone, in lower case.
    pub(super) host: String,
}

pub(super) fn compile(written: &Written, file: &File, report: &mut Report) -> SignIn {
    let path = KeyPath::root().key("sign_in");
    let returning = path.key("return_hosts");
    let items = written.return_hosts.iter().flat_map(|list| list.0.iter().enumerate());
    let hosts =
        items.filter_map(|(index, text)| return_host(text, &returning.index(index), report));
    let mut hosts: Vec<HostPattern> = hosts.collect();
    let home = written.host.as_ref().map(|text| {
        hosts.extend(hosts_of_routes(file));
        home(text, hosts.is_empty(), &path.key("host"), report)
    });
    let return_hosts = AllowedHosts::new(hosts, file.prefix());
    SignIn { home: home.flatten(), return_hosts, keeps_fragments: written.keep_fragment }
}

/// The hosts that routes name, but for those that strangers have: whoever signs in is led there.
fn hosts_of_routes(file: &File) -> impl Iterator<Item = HostPattern> {
    let routes = file.routes.iter().flatten();
    let written = routes.filter_map(|route| route.r#match.hosts.as_ref()).flat_map(|list| &list.0);
    // What is no host is told where routes are read.
    let hosts = written.filter_map(|text| HostPattern::parse(text).ok());
    hosts.filter(|host| !matches!(host, HostPattern::Wildcard(below) if is_public_suffix(below)))
}

/// The origin where people sign in.
fn home(text: &str, is_for_nobody: bool, path: &KeyPath, report: &mut Report) -> Option<HomeHost> {
    let url = urls::for_browsers(text, path, report)?;
    let origin = url.origin().ascii_serialization();
    let host = url.host_str().and_then(Authority::parse).map(|host| host.host().to_owned());
    let Some(host) = host.filter(|_| url.as_str() == format!("{origin}/")) else {
        let message = format!("`{text}` is more than the scheme and the host");
        report.refuse(path, message, format!("write {origin}"));
        return None;
    };
    if is_for_nobody {
        let message = "there is no host to sign in for: no route names one";
        report.refuse(path, message, "add `hosts:` to `match:` of the routes, or `return_hosts:`");
        return None;
    }
    Some(HomeHost { origin, host })
}

fn return_host(text: &str, path: &KeyPath, report: &mut Report) -> Option<HostPattern> {
    let pattern = matching::host_pattern(text, path, report)?;
    let HostPattern::Wildcard(suffix) = &pattern else { return Some(pattern) };
    if is_public_suffix(suffix) {
        let message = format!("`{text}` are hosts of strangers: sign-in would lead anywhere");
        report.refuse(
            path,
            message,
            format!("write a domain of your own, such as *.example.{suffix}"),
        );
        return None;
    }
    Some(pattern)
}

/// What people are shown.
pub(super) fn pages(
    written: Option<&Written>,
    inputs: &mut Inputs,
    report: &mut Report,
) -> Option<Arc<Pages>> {
    let Some(directory) = written.and_then(|written| written.templates.as_ref()) else {
        return Some(Arc::new(Pages::built_in()));
    };
    let path = KeyPath::root().key("sign_in").key("templates");
    let place = inputs.watch_directory(directory);
    let pages = Pages::load(&place).map_err(|error| {
        let message = match (&error, Error::source(&error)) {
            (PagesError::Unreadable { source, .. }, _) => format!("{error}: {}", reason(source)),
            (_, Some(source)) => format!("{error}: {source}"),
            (_, None) => error.to_string(),
        };
        report.refuse(&path, message, "correct it, or remove it: the built-in one counts then");
    });
    pages.ok().map(Arc::new)
}

/// How people sign out.
pub(super) fn sign_out(written: &WrittenSignOut, report: &mut Report) -> SignOutSettings {
    let path = KeyPath::root().key("sign_out");
    let return_to =
        each(written.return_to.as_ref(), &path.key("return_to"), report, |text, path, report| {
            urls::for_browsers(text, path, report)
        });
    let usually = written.default.as_ref();
    let usually =
        usually.and_then(|text| usually_at(text, &return_to, &path.key("default"), report));
    SignOutSettings {
        usually,
        clear_cookies: each(
            written.clear_cookies.as_ref(),
            &path.key("clear_cookies"),
            report,
            words::cookie,
        ),
        notify: each(written.notify.as_ref(), &path.key("notify"), report, |text, path, report| {
            urls::outbound(text, urls::Harm::Exchange, path, report)
        }),
        at_provider: written.provider == Frequency::Always,
        return_to,
    }
}

fn each<T>(
    list: Option<&List<String>>,
    path: &KeyPath,
    report: &mut Report,
    read: impl Fn(&str, &KeyPath, &mut Report) -> Option<T>,
) -> Vec<T> {
    let items = list.iter().flat_map(|list| list.0.iter().enumerate());
    items.filter_map(|(index, text)| read(text, &path.index(index), report)).collect()
}

/// A path, or one of the addresses that a sign-out may lead to.
fn usually_at(
    text: &str,
    return_to: &[Url],
    path: &KeyPath,
    report: &mut Report,
) -> Option<String> {
    let plain = text.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
    let is_path = text.starts_with('/') && !text.starts_with("//");
    let is_listed = Url::parse(text).is_ok_and(|url| return_to.contains(&url));
    if plain && (is_path || is_listed) {
        return Some(text.to_owned());
    }
    let message = format!("`{text}` is neither a path nor one of `return_to`");
    report.refuse(path, message, "write a path such as /goodbye, or add it to `return_to`");
    None
}

/// What a route's `sign_in` stands on.
pub(super) struct Place<'a> {
    pub(super) path: &'a KeyPath,
    pub(super) access: Access,
    /// The names of all providers, by id.
    pub(super) names: &'a [String],
    /// Those at which people sign in here.
    pub(super) parties: &'a [ProviderId],
    /// Those of the route.
    pub(super) providers: &'a [ProviderId],
}

/// How people sign in on one route.
pub(super) fn rule(written: &RouteSignIn, place: &Place<'_>, report: &mut Report) -> SignInRule {
    let path = place.path;
    if !place.providers.iter().any(|id| place.parties.contains(id)) {
        let message = "nobody signs in here: no provider of this route has a `client_id`, or there is no `session:`";
        report.refuse(path, message, "add both, or remove `sign_in`");
        return SignInRule::default();
    }
    let max_age = written.max_age.and_then(|age| {
        let (least, most) = (Span::secs(1), Span::secs(3650 * 86_400));
        times::span(age, least, most, &path.key("max_age"), report)
    });
    SignInRule {
        providers: providers(written.providers.as_ref(), place, report),
        silent: silent(written, place, report),
        prompt: written.prompt.map(prompt),
        max_age,
        acr_values: written.acr_values.as_ref().map(|list| list.0.clone()).unwrap_or_default(),
    }
}

fn providers(
    written: Option<&List<String>>,
    place: &Place<'_>,
    report: &mut Report,
) -> SmallVec<[ProviderId; 4]> {
    let path = place.path.key("providers");
    let found = each(written, &path, report, |name, path, report| {
        let index = words::find("provider", name, place.names, path, report)?;
        let id = ProviderId(u16::try_from(index).ok()?);
        let trouble = if !place.providers.contains(&id) {
            "is no provider of this route"
        } else if !place.parties.contains(&id) {
            "has no `client_id`, or a `login_url` of its own: nobody can sign in there through sidegate"
        } else {
            return Some(id);
        };
        report.refuse(path, format!("`{name}` {trouble}"), "remove it");
        None
    });
    found.into_iter().collect()
}

fn silent(written: &RouteSignIn, place: &Place<'_>, report: &mut Report) -> Silent {
    let path = place.path;
    let interval = written.probe_interval.map(|span| {
        let (least, most) = (Span::secs(60), Span::secs(30 * 86_400));
        times::span(span, least, most, &path.key("probe_interval"), report)
    });
    let interval = interval.flatten().unwrap_or(PROBE_INTERVAL);
    match written.silent {
        SilentWord::Never => {
            if written.probe_interval.is_some() {
                let message = "is of use only where signing in is tried without asking";
                report.refuse(
                    &path.key("probe_interval"),
                    message,
                    "add `silent: probe`, or remove it",
                );
            }
            Silent::Never
        }
        SilentWord::Only => {
            if written.prompt.is_some_and(|word| word != PromptWord::None) {
                let message = "asks people, but `silent: only` never does";
                report.refuse(&path.key("prompt"), message, "remove one of the two");
            }
            Silent::Only { interval }
        }
        SilentWord::Probe => {
            if place.access != Access::Optional {
                let message =
                    "is of use only where access is `optional`: here people sign in anyway";
                report.refuse(&path.key("silent"), message, "remove it, or write access: optional");
            }
            Silent::Probe { interval }
        }
    }
}

const fn prompt(word: PromptWord) -> Prompt {
    match word {
        PromptWord::Consent => Prompt::Consent,
        PromptWord::Login => Prompt::Login,
        PromptWord::None => Prompt::None,
        PromptWord::SelectAccount => Prompt::SelectAccount,
    }
}
