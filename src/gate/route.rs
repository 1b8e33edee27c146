//! The route table: host, path and method to the route that fits best.
//!
//! Best is: the more exact host; then the more exact path (exact, then pattern, then the longer prefix); then a route
//! that names the method. The order in the file never matters. A look-up costs hash probes by the depth of the path and
//! of the host, never by the number of routes.

mod sole;

use std::collections::HashMap;

use ahash::RandomState;
use http::Method;
use regex::bytes::{RegexBuilder, RegexSet, RegexSetBuilder};
use smallvec::SmallVec;

use crate::base::host::HostPattern;

/// A route, by its place in the policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RouteId(pub u32);

/// What a route says about paths.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PathPattern {
    /// `/x`: this path and no other.
    Exact(String),
    /// `/x/*`: the path `/x` and all below `/x/`; kept without the `/*`.
    Prefix(String),
    /// `~ …`: a regular expression that must match the whole path, byte by byte.
    Regex(String),
}

/// Why a text is no path pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathPatternError {
    /// The regular expression does not compile.
    #[error("`{pattern}` is no regular expression: {why}")]
    BadRegex {
        /// As written.
        pattern: String,
        /// The compiler's words.
        why: String,
    },
    /// Neither `/path`, `/path/*` nor `~ regex`.
    #[error("`{0}` is no path pattern: expected /path, /path/* or ~ REGEX")]
    Unknown(String),
    /// A pattern that can be read in several ways, so that no request would ever match it cleanly.
    #[error(
        "`{0}` can be read in several ways: write it without `//`, a dot at the end of a segment, `;`, `\\`, `%`, `?` and `#`, or as ~ REGEX"
    )]
    Ambiguous(String),
    /// Each of the regular expressions compiles, all of one host together do not.
    #[error("the {count} regular expressions of one host do not compile together: {why}")]
    TooLarge {
        /// How many there are.
        count: usize,
        /// The compiler's words.
        why: String,
    },
}

impl PathPattern {
    /// Reads `/path`, `/path/*`, `/*` or `~ REGEX`.
    pub fn parse(text: &str) -> Result<Self, PathPatternError> {
        if let Some(pattern) = text.strip_prefix('~') {
            let pattern = pattern.trim();
            return compile(&[pattern])
                .map(|_| Self::Regex(pattern.to_owned()))
                .map_err(|why| PathPatternError::BadRegex { pattern: pattern.to_owned(), why });
        }
        let (path, prefix) = match text.strip_suffix("/*") {
            Some(path) => (path, true),
            None => (text, false),
        };
        let starts_well = path.starts_with('/') || (prefix && path.is_empty());
        if !starts_well || path.contains('*') || path.bytes().any(|b| b <= b' ' || b == 0x7f) {
            return Err(PathPatternError::Unknown(text.to_owned()));
        }
        if is_ambiguous(path) {
            return Err(PathPatternError::Ambiguous(text.to_owned()));
        }
        Ok(if prefix { Self::Prefix(path.to_owned()) } else { Self::Exact(path.to_owned()) })
    }
}

fn is_ambiguous(path: &str) -> bool {
    path.contains(['%', ';', '\\', '?', '#'])
        || path.contains("//")
        || path.split('/').any(|segment| segment.ends_with('.'))
}

/// Compiles for bytes, not characters: a `.` that stops at a byte which is no UTF-8 lets a request slip past its rule
/// (CVE-2026-73552).
fn compile(patterns: &[&str]) -> Result<RegexSet, String> {
    for pattern in patterns {
        // The set's own error does not say which of its patterns is wrong.
        RegexBuilder::new(pattern).unicode(false).build().map_err(|error| error.to_string())?;
    }
    let anchored = patterns.iter().map(|pattern| format!(r"\A(?:{pattern})\z"));
    RegexSetBuilder::new(anchored)
        .unicode(false)
        .size_limit(64 << 20)
        .build()
        .map_err(|error| error.to_string())
}

/// What the table found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Match {
    /// The host has routes, but none for this path and method.
    NoPath,
    /// No route names this host.
    NoHost,
    /// The best route.
    Route(RouteId),
}

/// Two routes that would match the same requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("routes {} and {} match the same requests", .0.0, .1.0)]
pub struct Conflict(pub RouteId, pub RouteId);

/// See the module's text.
#[derive(Debug, Default)]
pub struct RouteTable {
    exact: HashMap<String, HostRoutes, RandomState>,
    wildcard: HashMap<String, HostRoutes, RandomState>,
    any: Option<HostRoutes>,
}

#[derive(Debug, Default)]
struct HostRoutes {
    exact: HashMap<Vec<u8>, ByMethod, RandomState>,
    prefix: HashMap<Vec<u8>, ByMethod, RandomState>,
    deepest_prefix: usize,
    patterns: Vec<(String, ByMethod)>,
    set: Option<RegexSet>,
}

/// The routes at one host and path: those that name methods, and the one that does not.
#[derive(Debug, Default)]
struct ByMethod {
    named: Vec<(Method, RouteId)>,
    rest: Option<RouteId>,
}

impl ByMethod {
    fn insert(&mut self, methods: &[Method], route: RouteId) -> Result<(), Conflict> {
        if methods.is_empty() {
            return match self.rest.replace(route) {
                Some(other) => Err(Conflict(other, route)),
                None => Ok(()),
            };
        }
        for method in methods {
            if let Some((_, other)) = self.named.iter().find(|(named, _)| named == method) {
                return Err(Conflict(*other, route));
            }
            self.named.push((method.clone(), route));
        }
        Ok(())
    }

    fn find(&self, method: &Method) -> Option<RouteId> {
        let named = self.named.iter().find(|(named, _)| named == method);
        named.map(|(_, route)| *route).or(self.rest)
    }
}

impl HostRoutes {
    fn insert(
        &mut self,
        path: &PathPattern,
        methods: &[Method],
        route: RouteId,
    ) -> Result<(), Conflict> {
        match path {
            PathPattern::Exact(path) => spellings(path)
                .try_for_each(|key| self.exact.entry(key).or_default().insert(methods, route)),
            PathPattern::Prefix(path) => {
                self.deepest_prefix = self.deepest_prefix.max(depth(path.as_bytes()));
                spellings(path)
                    .try_for_each(|key| self.prefix.entry(key).or_default().insert(methods, route))
            }
            PathPattern::Regex(pattern) => self.pattern(pattern).insert(methods, route),
        }
    }

    fn pattern(&mut self, pattern: &str) -> &mut ByMethod {
        let index = self
            .patterns
            .iter()
            .position(|(known, _)| known == pattern)
            .unwrap_or(self.patterns.len());
        if index == self.patterns.len() {
            self.patterns.push((pattern.to_owned(), ByMethod::default()));
        }
        &mut self.patterns[index].1
    }

    /// Longer patterns first, so that the first that matches is the most specific.
    fn seal(&mut self) -> Result<(), PathPatternError> {
        self.patterns.sort_by(|(a, _), (b, _)| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        let patterns: Vec<&str> =
            self.patterns.iter().map(|(pattern, _)| pattern.as_str()).collect();
        if !patterns.is_empty() {
            let count = patterns.len();
            let set =
                compile(&patterns).map_err(|why| PathPatternError::TooLarge { count, why })?;
            self.set = Some(set);
        }
        Ok(())
    }

    fn find(&self, path: &[u8], method: &Method) -> Option<RouteId> {
        let exact = self.exact.get(path).and_then(|routes| routes.find(method));
        exact.or_else(|| self.by_pattern(path, method)).or_else(|| self.by_prefix(path, method))
    }

    fn by_pattern(&self, path: &[u8], method: &Method) -> Option<RouteId> {
        let matched = self.set.as_ref()?.matches(path);
        matched.into_iter().find_map(|index| self.patterns[index].1.find(method))
    }

    fn by_prefix(&self, path: &[u8], method: &Method) -> Option<RouteId> {
        if self.prefix.is_empty() {
            return None;
        }
        let ends = memchr_slashes(path).take(self.deepest_prefix + 2);
        let mut cuts: SmallVec<[usize; 16]> = ends.collect();
        if cuts.len() <= self.deepest_prefix + 1 {
            cuts.push(path.len());
        }
        let probe =
            |end: &usize| self.prefix.get(&path[..*end]).and_then(|routes| routes.find(method));
        cuts.iter().rev().find_map(probe)
    }
}

fn memchr_slashes(path: &[u8]) -> impl Iterator<Item = usize> + '_ {
    path.iter().enumerate().filter(|(_, b)| **b == b'/').map(|(index, _)| index)
}

fn depth(path: &[u8]) -> usize {
    memchr_slashes(path).count()
}

/// A path pattern with characters beyond ASCII is written plainly in the file and percent-encoded by clients: both
/// spellings, and both cases of the digits, are one path.
fn spellings(path: &str) -> impl Iterator<Item = Vec<u8>> {
    let encode = |upper: bool| {
        let digit = move |b: u8| if upper { format!("%{b:02X}") } else { format!("%{b:02x}") };
        let one = move |b: u8| if b.is_ascii() { char::from(b).to_string() } else { digit(b) };
        path.bytes().map(one).collect::<String>().into_bytes()
    };
    let mut all = vec![path.as_bytes().to_vec()];
    if !path.is_ascii() {
        all.extend([encode(true), encode(false)]);
    }
    all.into_iter()
}

impl RouteTable {
    /// Adds `route` under every combination of `hosts` and `paths`, for `methods` (none: all).
    pub fn insert(
        &mut self,
        route: RouteId,
        hosts: &[HostPattern],
        paths: &[PathPattern],
        methods: &[Method],
    ) -> Result<(), Conflict> {
        let any = [HostPattern::Any];
        for host in if hosts.is_empty() { &any[..] } else { hosts } {
            let routes = match host {
                HostPattern::Any => self.any.get_or_insert_default(),
                HostPattern::Exact(name) => self.exact.entry(name.clone()).or_default(),
                HostPattern::Wildcard(name) => self.wildcard.entry(name.clone()).or_default(),
            };
            paths.iter().try_for_each(|path| routes.insert(path, methods, route))?;
        }
        Ok(())
    }

    /// Makes the table ready for look-ups. Called once, when all routes are in.
    ///
    /// # Errors
    ///
    /// [`PathPatternError::TooLarge`]; the table must not be used then: its patterns would match nothing, and requests
    /// would fall to wider routes.
    pub fn seal(&mut self) -> Result<(), PathPatternError> {
        let mut hosts =
            self.exact.values_mut().chain(self.wildcard.values_mut()).chain(self.any.as_mut());
        hosts.try_for_each(HostRoutes::seal)
    }

    /// The best route for a request; `host` in lower case without port.
    pub fn find(&self, host: &str, path: &[u8], method: &Method) -> Match {
        let mut known = false;
        for routes in self.hosts(host) {
            known = true;
            if let Some(route) = routes.find(path, method) {
                return Match::Route(route);
            }
        }
        if known { Match::NoPath } else { Match::NoHost }
    }

    /// The hosts that routes name, any host among them where a route names none: exact ones first, each kind sorted.
    pub fn patterns(&self) -> Vec<HostPattern> {
        let sorted = |hosts: &HashMap<String, HostRoutes, RandomState>| {
            let mut names: Vec<String> = hosts.keys().cloned().collect();
            names.sort_unstable();
            names
        };
        let exact = sorted(&self.exact).into_iter().map(HostPattern::Exact);
        let wildcard = sorted(&self.wildcard).into_iter().map(HostPattern::Wildcard);
        exact.chain(wildcard).chain(self.any.as_ref().map(|_| HostPattern::Any)).collect()
    }

    /// The route sets that apply to `host`, the most exact first.
    fn hosts<'t>(&'t self, host: &'t str) -> impl Iterator<Item = &'t HostRoutes> {
        let exact = if self.exact.is_empty() { None } else { self.exact.get(host) };
        let wildcards = if self.wildcard.is_empty() { "" } else { host };
        let dots =
            wildcards.bytes().enumerate().filter(|(_, b)| *b == b'.').map(|(index, _)| index);
        let wildcard = dots.filter_map(move |dot| self.wildcard.get(&host[dot + 1..]));
        exact.into_iter().chain(wildcard).chain(self.any.as_ref())
    }
}

#[cfg(test)]
mod tests;
