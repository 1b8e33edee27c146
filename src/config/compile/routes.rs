//! `routes`: which requests need whom, and where they go.

use crate::config::compile::identity::{Plans, Signer, Wishes};
use crate::config::compile::matching::Matching;
use crate::config::compile::{names, preflight, providers, require, times};
use crate::config::file::{Access as Written, CredentialWord, List, Route as WrittenRoute};
use crate::config::path::KeyPath;
use crate::config::problem::Report;
use crate::config::units::{Size, Span};
use crate::gate::{
    Access, AssertionSpec, CredentialKind, CredentialKinds, HeaderSource, ManagedNames, Match,
    MethodRules, Provider, ProviderId, Route, RouteId, RouteTable, UpstreamId,
};
use http::Method;
use http::header::HeaderName;
use smallvec::SmallVec;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// What routes refer to.
pub(super) struct Surroundings<'a> {
    pub(super) upstreams: &'a [String],
    pub(super) providers: &'a [Provider],
    pub(super) prefix: &'a str,
    pub(super) identity: &'a Wishes,
    pub(super) signer: &'a Signer,
    pub(super) max_body: Option<Size>,
    pub(super) timeout: Option<Duration>,
}

/// The routes, compiled.
#[derive(Debug)]
pub(super) struct Compiled {
    pub(super) table: RouteTable,
    pub(super) routes: Vec<Arc<Route>>,
    pub(super) plans: Plans,
    methods: MethodRules,
    paths: Vec<KeyPath>,
}

/// Compiles `written`; none written is one for everything.
pub(super) fn compile(
    written: Option<&[WrittenRoute]>,
    around: &Surroundings<'_>,
    report: &mut Report,
) -> Compiled {
    let list = KeyPath::root().key("routes");
    let everything = [WrittenRoute::default()];
    if written.is_some_and(<[_]>::is_empty) {
        report.refuse(
            &list,
            "is an empty list: every request would be refused",
            "list at least one, or remove the key",
        );
    }
    let mut compiled = Compiled::new();
    for (index, route) in written.unwrap_or(&everything).iter().enumerate() {
        compiled.add(route, list.index(index), around, report);
    }
    if let Err(error) = compiled.table.seal() {
        report.refuse(&list, error.to_string(), "write fewer or shorter regular expressions");
    }
    compiled.check_names(report);
    compiled.check_sign_in(around, report);
    compiled
}

impl Compiled {
    fn new() -> Self {
        Self {
            table: RouteTable::default(),
            routes: Vec::new(),
            plans: Plans::default(),
            methods: MethodRules::None,
            paths: Vec::new(),
        }
    }

    /// The header names that only sidegate may set.
    pub(super) fn managed(&self) -> ManagedNames {
        let assertions = self.routes.iter().filter_map(|route| route.assertion.as_ref());
        ManagedNames::new(
            self.plans.names().chain(assertions.map(|assertion| &assertion.header)),
            self.methods,
        )
    }

    fn add(
        &mut self,
        written: &WrittenRoute,
        path: KeyPath,
        around: &Surroundings<'_>,
        report: &mut Report,
    ) {
        let matching = Matching::read(&written.r#match, around.prefix, &path.key("match"), report);
        // A list longer than the ids can count does not fit into the file's bounds.
        let id = RouteId(u32::try_from(self.routes.len()).unwrap_or(u32::MAX));
        let builder = Builder { written, path: &path, around };
        let Some(route) = builder.route(id, &matching, &mut self.plans, report) else { return };
        if !matching.methods.is_empty() {
            self.methods = MethodRules::Some;
        }
        let inserted = self.table.insert(id, &matching.hosts, &matching.paths, &matching.methods);
        if let Err(conflict) = inserted {
            let other = usize::try_from(conflict.0.0).ok().and_then(|index| self.paths.get(index));
            let other = other.map(ToString::to_string).unwrap_or_default();
            let message = format!("matches requests that {other} matches in just the same way");
            report.refuse(
                &path.key("match"),
                message,
                "make one of them more specific, or remove it",
            );
        }
        self.routes.push(Arc::new(route));
        self.paths.push(path);
    }

    fn check_names(&self, report: &mut Report) {
        let mut seen = BTreeSet::new();
        for (route, path) in self.routes.iter().zip(&self.paths) {
            if !seen.insert(&route.name) && report.is_clean() {
                let message = format!("there are two routes `{}`", route.name);
                report.refuse(&path.key("name"), message, "give each a name of its own");
            }
        }
    }

    /// A login page on the same host that itself needs an identity would send people around for ever.
    fn check_sign_in(&self, around: &Surroundings<'_>, report: &mut Report) {
        for (route, path) in self.routes.iter().zip(&self.paths) {
            let own = route.login_url.iter();
            let theirs = route
                .providers
                .iter()
                .filter_map(|id| around.providers.get(usize::from(id.0))?.login_url.as_ref());
            let Some(page) = own.chain(theirs).next().map(|url| url.with_return_to("/")) else {
                continue;
            };
            if route.access == Access::Required && self.needs_identity(&page) {
                let page = page.split('?').next().unwrap_or_default();
                let message =
                    format!("the login page {page} needs an identity itself: nobody could sign in");
                report.refuse(
                    path,
                    message,
                    format!("add a route with paths: [{page}] and access: public"),
                );
            }
        }
    }

    /// Whether `page`, if it is a path, is on a route that needs an identity, whatever the host.
    fn needs_identity(&self, page: &str) -> bool {
        let Some(path) = page.starts_with('/').then(|| page.split('?').next()).flatten() else {
            return false;
        };
        let Match::Route(id) = self.table.find("", path.as_bytes(), &Method::GET) else {
            return false;
        };
        let route = usize::try_from(id.0).ok().and_then(|index| self.routes.get(index));
        route.is_some_and(|route| route.access == Access::Required)
    }
}

/// One route on its way.
struct Builder<'a> {
    written: &'a WrittenRoute,
    path: &'a KeyPath,
    around: &'a Surroundings<'a>,
}

impl Builder<'_> {
    fn route(
        &self,
        id: RouteId,
        matching: &Matching,
        plans: &mut Plans,
        report: &mut Report,
    ) -> Option<Route> {
        let Self { written, path, around } = self;
        self.check_access(report);
        let name = self.name(report);
        let wishes = match &written.identity {
            Some(identity) => Wishes::read(identity, &path.key("identity"), report),
            None => Wishes::default(),
        };
        self.check_wishes(&wishes, report);
        let wishes = wishes.over(around.identity);
        let rule = require::compile(written.require.as_ref(), &path.key("require"), report);
        let providers = self.providers(report);
        let accepts = self.accepts(&providers, report);
        let upstream = self.upstream(report);
        let upgrades = preflight::upgrades(written, path, report);
        let preflight =
            preflight::preflight(written.preflight.as_ref(), &path.key("preflight"), report);
        let login_url = written.login_url.as_ref();
        let login_url =
            login_url.map(|text| providers::login_url(text, &path.key("login_url"), report));
        let timeout = self.timeout(report);
        let name: Arc<str> = Arc::from(name.unwrap_or_else(|| derived_name(written)));
        let identified = written.access != Written::Public;
        let fields = if identified { wishes.fields() } else { Vec::new() };
        let assertion = wishes.assertion(&name, around.signer).filter(|_| identified);
        self.check_assertion(assertion.as_ref(), &fields, report);
        if matching.paths.is_empty() {
            return None;
        }
        Some(Route {
            id,
            name,
            access: access(written.access),
            rule,
            accepts,
            providers,
            headers: plans.with(fields)?,
            assertion,
            authorization: wishes.authorization(),
            sso_cookie: wishes.cookie(),
            upstream: upstream?,
            upgrades,
            preflight: preflight?,
            login_url: login_url.flatten(),
            max_body_bytes: written.limits.body.or(around.max_body).map(|size| size.0),
            timeout: timeout.or(around.timeout),
        })
    }

    fn name(&self, report: &mut Report) -> Option<String> {
        let name = self.written.name.as_ref()?;
        names::label(name, &self.path.key("name"), report)
    }

    /// Whatever is written must count: a demand that nobody looks at is worse than none.
    fn check_access(&self, report: &mut Report) {
        let written = self.written;
        let refuse = |key: &str, report: &mut Report| {
            let word = if written.access == Written::Public { "public" } else { "optional" };
            let message = format!("needs an identity, but access is `{word}`");
            report.refuse(
                &self.path.key(key),
                message,
                format!("write access: required, or remove `{key}`"),
            );
        };
        if written.access != Written::Required && written.require.is_some() {
            refuse("require", report);
        }
        if written.access != Written::Public {
            return;
        }
        for (key, is_written) in [
            ("accepts", written.accepts.is_some()),
            ("providers", written.providers.is_some()),
            ("login_url", written.login_url.is_some()),
        ] {
            if is_written {
                refuse(key, report);
            }
        }
    }

    fn check_wishes(&self, wishes: &Wishes, report: &mut Report) {
        if self.written.access == Written::Public && wishes.needs_identity() {
            let message = "needs an identity, but access is `public`";
            report.refuse(
                &self.path.key("identity"),
                message,
                "write access: optional, or remove it",
            );
        }
    }

    fn check_assertion(
        &self,
        assertion: Option<&AssertionSpec>,
        fields: &[(HeaderName, HeaderSource)],
        report: &mut Report,
    ) {
        let Some(assertion) = assertion else { return };
        if fields.iter().any(|(name, _)| names::folded(name) == names::folded(&assertion.header)) {
            let message = format!("`{}` carries a claim and the assertion", assertion.header);
            report.refuse(
                &self.path.key("identity"),
                message,
                "give the assertion another `header`",
            );
        }
    }

    fn providers(&self, report: &mut Report) -> SmallVec<[ProviderId; 4]> {
        let known: Vec<String> =
            self.around.providers.iter().map(|provider| provider.name.to_string()).collect();
        let id = |index: usize| u16::try_from(index).ok().map(ProviderId);
        let Some(list) = &self.written.providers else {
            return if self.written.access == Written::Public {
                SmallVec::new()
            } else {
                (0..known.len()).filter_map(id).collect()
            };
        };
        let mut found = SmallVec::new();
        for (index, name) in list.0.iter().enumerate() {
            let path = self.path.key("providers").index(index);
            let Some(provider) = names::find("provider", name, &known, &path, report).and_then(id)
            else {
                continue;
            };
            if found.contains(&provider) {
                report.refuse(&path, format!("`{name}` is listed twice"), "keep one of the two");
            }
            found.push(provider);
        }
        found
    }

    /// The kinds of credential that count; each must be one that some provider of the route takes.
    fn accepts(&self, providers: &[ProviderId], report: &mut Report) -> CredentialKinds {
        let Some(List(words)) = &self.written.accepts else { return CredentialKinds::ALL };
        for (index, word) in words.iter().enumerate() {
            let kind = kind(*word);
            let takes = |id: &ProviderId| {
                self.around
                    .providers
                    .get(usize::from(id.0))
                    .is_some_and(|provider| provider.kinds().contains(kind))
            };
            if !providers.iter().any(takes) {
                let message = format!("no provider of this route takes a {}", kind.label());
                let remedy =
                    format!("name the {} in the provider, or remove it here", kind.label());
                report.refuse(&self.path.key("accepts").index(index), message, remedy);
            }
        }
        words.iter().map(|word| kind(*word)).collect()
    }

    fn upstream(&self, report: &mut Report) -> Option<UpstreamId> {
        let known = self.around.upstreams;
        let index = match (&self.written.upstream, known) {
            (Some(name), known) => {
                names::find("upstream", name, known, &self.path.key("upstream"), report)?
            }
            (None, [_]) => 0,
            (None, []) => return None,
            (None, known) => {
                let message = "does not say to which upstream";
                report.refuse(
                    self.path,
                    message,
                    format!("add `upstream:` with one of: {}", known.join(", ")),
                );
                return None;
            }
        };
        u16::try_from(index).ok().map(UpstreamId)
    }

    fn timeout(&self, report: &mut Report) -> Option<Duration> {
        let span: Span = self.written.timeouts.request?;
        times::deadline(span, &self.path.key("timeouts").key("request"), report)
    }
}

const fn access(written: Written) -> Access {
    match written {
        Written::Optional => Access::Optional,
        Written::Public => Access::Public,
        Written::Required => Access::Required,
    }
}

const fn kind(word: CredentialWord) -> CredentialKind {
    match word {
        CredentialWord::Bearer => CredentialKind::Bearer,
        CredentialWord::Cookie => CredentialKind::Cookie,
        CredentialWord::Header => CredentialKind::Header,
    }
}

/// What a route is called that has no name: its methods, its first host and its first path.
fn derived_name(route: &WrittenRoute) -> String {
    let first =
        |list: &Option<List<String>>| list.as_ref().and_then(|list| list.0.first().cloned());
    let methods = route.r#match.methods.as_ref().map(|methods| format!("{} ", methods.0.join(",")));
    let host = first(&route.r#match.hosts).unwrap_or_default();
    let path = first(&route.r#match.paths).unwrap_or_else(|| String::from("/*"));
    format!("{}{host}{path}", methods.unwrap_or_default())
}
