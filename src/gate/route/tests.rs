use super::*;

fn table(rows: &[(&[&str], &[&str], &[Method])]) -> RouteTable {
    let mut table = RouteTable::default();
    for (index, (hosts, paths, methods)) in rows.iter().enumerate() {
        let hosts: Vec<_> = hosts.iter().map(|h| HostPattern::parse(h).unwrap()).collect();
        let paths: Vec<_> = paths.iter().map(|p| PathPattern::parse(p).unwrap()).collect();
        table.insert(RouteId(u32::try_from(index).unwrap()), &hosts, &paths, methods).unwrap();
    }
    table.seal().unwrap();
    table
}

fn find(table: &RouteTable, host: &str, path: &str) -> Option<u32> {
    match table.find(host, path.as_bytes(), &Method::GET) {
        Match::Route(RouteId(id)) => Some(id),
        _ => None,
    }
}

#[test]
fn exact_beats_pattern_beats_longer_prefix() {
    let table = table(&[
        (&[], &["/*"], &[]),
        (&[], &["/a/*"], &[]),
        (&[], &["/a/b/*"], &[]),
        (&[], &["~ /a/b/[0-9]+"], &[]),
        (&[], &["/a/b/7"], &[]),
    ]);
    for (path, route) in [
        ("/", 0),
        ("/ab", 0),
        ("/a", 1),
        ("/a/", 1),
        ("/a/x/y", 1),
        ("/a/b", 2),
        ("/a/b/c/d/e/f", 2),
        ("/a/b/12", 3),
        ("/a/b/7", 4),
    ] {
        assert_eq!(find(&table, "x.test", path), Some(route), "{path}");
    }
}

#[test]
fn a_prefix_ends_at_a_segment() {
    let table = table(&[(&[], &["/admin/*"], &[])]);
    assert_eq!(find(&table, "x", "/administrator"), None);
    assert_eq!(find(&table, "x", "/public/admin/x"), None);
}

#[test]
fn patterns_match_whole_paths_only_and_any_byte() {
    let table = table(&[(&[], &["~ /public|/open"], &[]), (&[], &["~ /deny/.*"], &[])]);
    assert_eq!(find(&table, "x", "/x/public"), None);
    assert_eq!(find(&table, "x", "/public/x"), None);
    assert_eq!(find(&table, "x", "/open\n"), None);
    assert_eq!(find(&table, "x", "/open"), Some(0));
    assert_eq!(table.find("x", b"/deny/\xff\xfe", &Method::GET), Match::Route(RouteId(1)));
}

#[test]
fn a_more_exact_host_wins_and_falls_back_to_a_wider_one() {
    let table = table(&[
        (&["app.example.com"], &["/app/*"], &[]),
        (&["*.example.com"], &["/*"], &[]),
        (&["*.deep.example.com"], &["/*"], &[]),
        (&[], &["/*"], &[]),
    ]);
    assert_eq!(find(&table, "app.example.com", "/app/x"), Some(0));
    assert_eq!(find(&table, "app.example.com", "/other"), Some(1));
    assert_eq!(find(&table, "a.b.deep.example.com", "/"), Some(2));
    assert_eq!(find(&table, "example.com", "/"), Some(3));
    assert_eq!(find(&table, "evil-example.com", "/"), Some(3));
}

#[test]
fn unknown_host_and_unknown_path_differ() {
    let table = table(&[(&["a.test"], &["/x"], &[])]);
    assert_eq!(table.find("b.test", b"/x", &Method::GET), Match::NoHost);
    assert_eq!(table.find("a.test", b"/y", &Method::GET), Match::NoPath);
}

#[test]
fn a_route_that_names_the_method_wins_only_for_that_method() {
    let table = table(&[(&[], &["/open"], &[Method::GET]), (&[], &["/*"], &[])]);
    assert_eq!(table.find("x", b"/open", &Method::GET), Match::Route(RouteId(0)));
    for method in [Method::POST, Method::HEAD, Method::OPTIONS] {
        assert_eq!(table.find("x", b"/open", &method), Match::Route(RouteId(1)));
    }
}

#[test]
fn the_same_requests_twice_are_a_conflict() {
    let mut table = RouteTable::default();
    let path = [PathPattern::parse("/a/*").unwrap()];
    table.insert(RouteId(0), &[], &path, &[]).unwrap();
    table.insert(RouteId(1), &[], &path, &[Method::GET]).unwrap();
    assert_eq!(table.insert(RouteId(2), &[], &path, &[]), Err(Conflict(RouteId(0), RouteId(2))));
    assert_eq!(
        table.insert(RouteId(3), &[], &path, &[Method::GET]),
        Err(Conflict(RouteId(1), RouteId(3)))
    );
}

#[test]
fn patterns_that_are_too_large_together_are_an_error_and_not_forgotten() {
    let mut table = RouteTable::default();
    for index in 0..40_u32 {
        let path = PathPattern::parse(&format!("~ /{index}/(a{{900}}){{60}}")).unwrap();
        table.insert(RouteId(index), &[], &[path], &[]).unwrap();
    }
    assert!(matches!(table.seal(), Err(PathPatternError::TooLarge { count: 40, .. })));
}

#[test]
fn patterns_beyond_ascii_match_both_spellings() {
    let table = table(&[(&[], &["/caf\u{e9}/*"], &[])]);
    for path in ["/caf\u{e9}/x", "/caf%C3%A9/x", "/caf%c3%a9"] {
        assert_eq!(find(&table, "x", path), Some(0), "{path}");
    }
}

#[test]
fn what_is_no_pattern_says_so() {
    for text in
        ["", "x", "/a*", "/*/b", "*", "/a b", "~ (", "/a/../b", "/a./b", "/a//b", "/a%2fb", "/a;b"]
    {
        assert!(PathPattern::parse(text).is_err(), "{text}");
    }
    assert_eq!(PathPattern::parse("/*").unwrap(), PathPattern::Prefix(String::new()));
}
