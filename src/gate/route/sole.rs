//! What can be said of all requests to a host, whatever their path and method: for front proxies that do not tell them.

use crate::gate::route::{ByMethod, HostRoutes, RouteId, RouteTable};

impl RouteTable {
    /// The one route of every request to `host`; none where path or method could lead to another one, or to none.
    pub fn sole(&self, host: &str) -> Option<RouteId> {
        let everything = |routes: &HostRoutes| routes.prefix.get(&b""[..])?.rest;
        let found = self.hosts(host).find_map(everything)?;
        self.hosts(host).flat_map(HostRoutes::all).all(|route| route == found).then_some(found)
    }

    /// Whether some route for `host` is for certain methods only.
    pub fn tells_methods_apart(&self, host: &str) -> bool {
        let named = |routes: &HostRoutes| routes.by_path().any(|routes| !routes.named.is_empty());
        self.hosts(host).any(named)
    }
}

impl HostRoutes {
    fn by_path(&self) -> impl Iterator<Item = &ByMethod> {
        let patterns = self.patterns.iter().map(|(_, routes)| routes);
        self.exact.values().chain(self.prefix.values()).chain(patterns)
    }

    fn all(&self) -> impl Iterator<Item = RouteId> {
        let named = |routes: &ByMethod| routes.named.iter().map(|(_, route)| *route).collect();
        self.by_path().flat_map(move |routes| {
            let named: Vec<RouteId> = named(routes);
            named.into_iter().chain(routes.rest)
        })
    }
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;
    use crate::base::host::HostPattern;
    use crate::gate::route::PathPattern;

    /// Routes by host, path and whether they are for POST alone; an empty host is any.
    fn table(rows: &[(&str, &str, bool)]) -> RouteTable {
        let mut table = RouteTable::default();
        for (index, (host, path, only_post)) in rows.iter().enumerate() {
            let hosts: Vec<_> = [*host]
                .iter()
                .filter(|it| !it.is_empty())
                .map(|it| HostPattern::parse(it).unwrap())
                .collect();
            let methods = if *only_post { vec![Method::POST] } else { Vec::new() };
            let path = PathPattern::parse(path).unwrap();
            table
                .insert(RouteId(u32::try_from(index).unwrap()), &hosts, &[path], &methods)
                .unwrap();
        }
        table.seal().unwrap();
        table
    }

    #[test]
    fn a_host_with_one_route_for_everything_has_a_sole_one() {
        let table = table(&[("a.test", "/*", false), ("*.b.test", "/*", false)]);
        assert_eq!(table.sole("a.test"), Some(RouteId(0)));
        assert_eq!(table.sole("x.b.test"), Some(RouteId(1)));
        assert_eq!(table.sole("c.test"), None);
    }

    #[test]
    fn whatever_could_lead_elsewhere_leaves_no_sole_route() {
        for more in [
            ("a.test", "/public/*", false),
            ("a.test", "/x", false),
            ("", "/y", false),
            ("a.test", "~ /z", false),
            ("a.test", "/*", true),
        ] {
            let table = table(&[("a.test", "/*", false), more]);
            assert_eq!(table.sole("a.test"), None, "{more:?}");
        }
        // A part of the paths is not all of them: the rest is refused when it is told.
        assert_eq!(table(&[("a.test", "/app/*", false)]).sole("a.test"), None);
        assert_eq!(table(&[("a.test", "/*", true)]).sole("a.test"), None);
    }

    #[test]
    fn routes_for_methods_are_known_by_host() {
        let table =
            table(&[("a.test", "/*", false), ("b.test", "/x", true), ("b.test", "/*", false)]);
        assert!(!table.tells_methods_apart("a.test") && table.tells_methods_apart("b.test"));
        let any = self::table(&[("a.test", "/*", false), ("", "/x", true)]);
        assert!(any.tells_methods_apart("a.test"));
    }
}
