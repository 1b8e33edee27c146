//! `routes`: which requests need whom, and where they go.

use std::collections::BTreeSet;
use std::sync::Arc;

use http::Method;
use http::header::HeaderName;

use crate::base::host::HostPattern;
use crate::config::compile::identity::Plans;
use crate::config::compile::matching::Matching;
use crate::config::compile::route::{Builder, Surroundings};
use crate::config::file::Route as Written;
use crate::config::path::KeyPath;
use crate::config::problem::Report;
use crate::gate::{
    Access, ManagedNames, Match, MethodRules, PathPattern, Route, RouteId, RouteTable,
};

/// Where a route is written, and a host that it is for.
#[derive(Debug)]
struct Place {
    path: KeyPath,
    host: String,
    matching: Matching,
    /// Whether it says what was meant; else it may match more.
    matching_holds: bool,
}

/// The routes, compiled.
#[derive(Debug)]
pub(super) struct Compiled {
    pub(super) table: RouteTable,
    pub(super) routes: Vec<Arc<Route>>,
    pub(super) plans: Plans,
    methods: MethodRules,
    places: Vec<Place>,
    names: BTreeSet<String>,
}

/// Compiles `written`; none written is one for everything.
pub(super) fn compile(
    written: Option<&[Written]>,
    around: &Surroundings<'_>,
    report: &mut Report,
) -> Compiled {
    let list = KeyPath::root().key("routes");
    let everything = [Written::default()];
    if written.is_some_and(<[_]>::is_empty) {
        report.refuse(
            &list,
            "is an empty list: every request would be refused",
            "list at least one, or remove the key",
        );
    }
    let mut compiled = Compiled::new();
    for (index, route) in written.unwrap_or(&everything).iter().enumerate() {
        let path = if written.is_some() { list.index(index) } else { KeyPath::root() };
        compiled.check_name(route, &path, report);
        compiled.add(route, path, around, report);
    }
    if let Err(error) = compiled.table.seal() {
        report.refuse(
            &list,
            error.to_string(),
            "write fewer or simpler ones: /path and /path/* cost nothing",
        );
    }
    compiled.check_sign_in(around, report);
    compiled.check_methods(report);
    compiled
}

impl Compiled {
    fn new() -> Self {
        Self {
            table: RouteTable::default(),
            routes: Vec::new(),
            plans: Plans::default(),
            methods: MethodRules::None,
            places: Vec::new(),
            names: BTreeSet::new(),
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

    /// The headers that carry an identity on any route.
    pub(super) fn identity_headers(&self) -> Vec<HeaderName> {
        let assertions = self.routes.iter().filter_map(|route| route.assertion.as_ref());
        let assertions = assertions.map(|assertion| &assertion.header);
        let mut names: Vec<HeaderName> = Vec::new();
        for name in self.plans.names().chain(assertions) {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        names
    }

    fn add(
        &mut self,
        written: &Written,
        path: KeyPath,
        around: &Surroundings<'_>,
        report: &mut Report,
    ) {
        let before = report.problems();
        let matching = Matching::read(
            &written.r#match,
            (around.prefix, around.compatible),
            &path.key("match"),
            report,
        );
        let matching_holds = report.problems() == before;
        // More routes than ids can count do not fit into a file.
        let id = RouteId(u32::try_from(self.routes.len()).unwrap_or(u32::MAX));
        let builder = Builder { written, path: &path, around };
        let Some(route) = builder.route(id, &mut self.plans, report) else { return };
        if !matching.methods.is_empty() {
            self.methods = MethodRules::Some;
        }
        let inserted = self.table.insert(id, &matching.hosts, &matching.paths, &matching.methods);
        if let Err(conflict) = inserted
            && matching_holds
            && self.place(conflict.0).is_some_and(|other| other.matching_holds)
        {
            let other = self.place(conflict.0).map(|place| place.path.to_string());
            let other = other.unwrap_or_default();
            let message = format!("matches requests that {other} matches in just the same way");
            let remedy = "make one of them more specific, or remove it";
            report.refuse(&path.key("match"), message, remedy);
        }
        self.routes.push(Arc::new(route));
        self.places.push(Place {
            host: some_host(&matching.hosts),
            path,
            matching,
            matching_holds,
        });
    }

    fn place(&self, id: RouteId) -> Option<&Place> {
        self.places.get(usize::try_from(id.0).ok()?)
    }

    fn check_name(&mut self, route: &Written, path: &KeyPath, report: &mut Report) {
        let Some(name) = &route.name else { return };
        if !self.names.insert(name.clone()) {
            let message = format!("there are two routes `{name}`");
            report.refuse(&path.key("name"), message, "give each a name of its own");
        }
    }

    /// A login page on the same host that itself needs an identity would send people around for ever.
    fn check_sign_in(&self, around: &Surroundings<'_>, report: &mut Report) {
        let required = |(route, _): &(&Arc<Route>, &Place)| route.access == Access::Required;
        for (route, place) in self.routes.iter().zip(&self.places).filter(required) {
            let Some(page) = login_page(route, around) else { continue };
            let Some(message) = self.trouble_with(&page, &place.host) else { continue };
            let remedy = format!("add a route with paths: [{page}] and access: public");
            report.refuse(&place.path, format!("the login page {page} {message}"), remedy);
        }
    }

    /// A route that names methods leaves the others to the next route: that may be one for everybody.
    fn check_methods(&self, report: &mut Report) {
        for (route, place) in self.routes.iter().zip(&self.places) {
            if route.access != Access::Required || place.matching.methods.is_empty() {
                continue;
            }
            let Some((pattern, method, other)) = self.opening(route, place) else { continue };
            let access = if other.access == Access::Public { "public" } else { "optional" };
            let message = format!(
                "{method} and other methods of {pattern} go to the route `{}`, which is {access}",
                other.name
            );
            let remedy = "remove `methods`, or add a route for these paths that says what other methods need";
            report.warn(&place.path.key("match").key("methods"), message, remedy);
        }
    }

    /// A path of the route, and a method that it does not name, which anybody may use because of another route for more paths.
    fn opening(&self, route: &Route, place: &Place) -> Option<(String, Method, &Route)> {
        let methods = [Method::GET, Method::POST, Method::PUT, Method::DELETE, Method::PATCH];
        let method = methods.into_iter().find(|one| !place.matching.methods.contains(one))?;
        place.matching.paths.iter().find_map(|pattern| {
            let (shown, sample) = match pattern {
                PathPattern::Exact(path) => (path.clone(), path.clone()),
                PathPattern::Prefix(path) => (format!("{path}/*"), format!("{path}/x")),
                PathPattern::Regex(_) => return None,
            };
            let found = self.table.find(&place.host, sample.as_bytes(), &method);
            let Match::Route(id) = found else { return None };
            let index = usize::try_from(id.0).ok()?;
            let (other, their) = (self.routes.get(index)?, self.places.get(index)?);
            let is_meant = other.id == route.id || their.matching.paths.contains(pattern);
            let is_open = other.access != Access::Required;
            (is_open && !is_meant).then(|| (shown, method.clone(), &**other))
        })
    }

    fn trouble_with(&self, page: &str, host: &str) -> Option<&'static str> {
        let Match::Route(id) = self.table.find(host, page.as_bytes(), &Method::GET) else {
            return Some("is on no route: nobody could sign in");
        };
        let route = self.routes.get(usize::try_from(id.0).ok()?)?;
        let needs_identity = route.access == Access::Required;
        needs_identity.then_some("needs an identity itself: nobody could sign in")
    }
}

/// The path of the login page that callers of `route` are sent to, if it is on the same host.
fn login_page(route: &Route, around: &Surroundings<'_>) -> Option<String> {
    let theirs = route.providers.iter().filter_map(|id| around.provider(*id)?.login_url.as_ref());
    let page = route.login_url.iter().chain(theirs).next()?.with_return_to("/");
    let path = page.split(['?', '#']).next()?;
    path.starts_with('/').then(|| path.to_owned())
}

/// A host that one of `patterns` matches; for every host, one that no other pattern names.
fn some_host(patterns: &[HostPattern]) -> String {
    match patterns.first() {
        Some(HostPattern::Exact(name)) => name.clone(),
        Some(HostPattern::Wildcard(suffix)) => format!("any.{suffix}"),
        Some(HostPattern::Any) | None => String::new(),
    }
}
