//! Forwarded headers: believed of trusted proxies, rebuilt for the upstream, ignored and removed otherwise.

use crate::support::raw::get;
use crate::support::site::{PUBLIC_AND_REST, Site};
use crate::support::upstream::Recorded;

const TRUSTING: &str = "
trusted_proxies: [127.0.0.1/32]
routes:
  - { name: public, match: { paths: /public/* }, access: public }
  - { name: rest, match: { paths: /* } }
";

/// What a proxy may say about a request, with values that would open every door.
pub(crate) const CLAIMS: &[(&str, &str)] = &[
    ("X-Forwarded-Uri", "/public"),
    ("X-Forwarded-Method", "OPTIONS"),
    ("X-Forwarded-Host", "evil.test"),
    ("X-Forwarded-Proto", "https"),
    ("X-Forwarded-Port", "443"),
    ("X-Forwarded-Prefix", "/public"),
    ("X-Forwarded-Server", "evil.test"),
    ("X-Forwarded-Ssl", "on"),
    ("X-Forwarded-Scheme", "https"),
    ("X-Forwarded-For", "10.0.0.1"),
    ("X-Real-Ip", "10.0.0.1"),
    ("True-Client-Ip", "10.0.0.1"),
    ("Forwarded", "for=10.0.0.1;host=evil.test;proto=https"),
    ("X-Original-URL", "/public"),
    ("X-Original-Uri", "/public"),
    ("X-Rewrite-URL", "/public"),
    ("X-Envoy-Original-Path", "/public"),
    ("X-Envoy-Internal", "true"),
    ("X-Original-Host", "evil.test"),
    ("X-Skipper-Proxy", "http://evil.test"),
    ("X-Auth-Request-Redirect", "https://evil.test/"),
    ("X-HTTP-Method-Override", "OPTIONS"),
];

fn names(arrived: &Recorded) -> Vec<String> {
    let head = String::from_utf8_lossy(&arrived.head).to_lowercase();
    head.lines()
        .skip(1)
        .filter_map(|line| line.split_once(':'))
        .map(|(name, _)| name.to_owned())
        .collect()
}

/// CVE-2026-40575, CVE-2026-33495, CVE-2026-35051, CVE-2026-54764, CVE-2023-27487, CVE-2024-45806, CVE-2022-38580.
#[tokio::test]
async fn what_a_stranger_says_about_the_request_changes_nothing() {
    let site = Site::start(PUBLIC_AND_REST).await;
    let plain = site.ask(get("/admin?x=1").navigation()).await;
    assert_eq!(plain.status, 302);
    for (name, value) in CLAIMS {
        for name in [name.to_string(), name.replace('-', "_"), name.replace('-', ".")] {
            let told = site.ask(get("/admin?x=1").navigation().header(&name, value)).await;
            assert_eq!(
                (told.status, told.header("location")),
                (302, plain.header("location")),
                "{name}"
            );
            assert_eq!(
                site.refused(get("/admin").header(&name, value)).await.status,
                401,
                "{name}"
            );
        }
    }
    site.nothing_since(0, "a stranger's claims");
}

/// CVE-2026-39858: also in the spellings with `_` and `.`.
#[tokio::test]
async fn the_upstream_is_told_what_sidegate_sees_itself() {
    let site = Site::start(PUBLIC_AND_REST).await;
    let signs = ["-", "_", ".", "~"];
    for sign in signs {
        let all = CLAIMS.iter().filter(|(name, _)| !name.starts_with("X-HTTP"));
        let asked = all.fold(get("/public/x"), |asked, (name, value)| {
            asked.header(&name.replace('-', sign), value)
        });
        let arrived = site.forwarded(asked).await;
        assert_eq!(arrived.values("x-forwarded-for"), ["127.0.0.1"]);
        assert_eq!(arrived.values("x-forwarded-proto"), ["http"]);
        assert_eq!(arrived.values("x-forwarded-host"), ["app.test"]);
        let mut names = names(&arrived);
        names.retain(|name| {
            name.starts_with('x') || name.contains("forwarded") || name.contains("ip")
        });
        names.sort();
        assert_eq!(
            names,
            ["x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-request-id"],
            "{sign}"
        );
    }
}

/// CVE-2023-36456, CVE-2024-47070: garbage about the client skips no check.
#[tokio::test]
async fn garbage_in_forwarded_headers_skips_no_check() {
    for routes in [PUBLIC_AND_REST, TRUSTING] {
        let site = Site::start(routes).await;
        for value in [
            "garbage",
            "",
            ",,,",
            "127.0.0.1, 10.0.0.1",
            "::ffff:10.0.0.1",
            "fe80::1%eth0",
            "999.1.1.1",
            "\u{1f600}",
        ] {
            for name in ["X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "Forwarded"] {
                assert_eq!(
                    site.refused(get("/x").header(name, value)).await.status,
                    401,
                    "{name}: {value}"
                );
            }
        }
    }
}

/// CVE-2026-34457: no client is a health check by its name.
#[tokio::test]
async fn a_user_agent_opens_nothing() {
    let site = Site::start(TRUSTING).await;
    for agent in ["GoogleHC/1.0", "kube-probe/1.30", "ELB-HealthChecker/2.0"] {
        assert_eq!(site.refused(get("/x").header("User-Agent", agent)).await.status, 401);
    }
}

#[tokio::test]
async fn a_trusted_proxy_is_believed_about_scheme_and_client() {
    let site = Site::start(TRUSTING).await;
    let asked = get("/public/x")
        .header("X-Forwarded-For", "192.0.2.1, 198.51.100.7")
        .header("X-Forwarded-Proto", "https")
        .header("Forwarded", "for=192.0.2.1");
    let arrived = site.forwarded(asked).await;
    assert_eq!(arrived.values("x-forwarded-for"), ["192.0.2.1, 198.51.100.7, 127.0.0.1"]);
    assert_eq!(arrived.values("x-forwarded-proto"), ["https"]);
    assert_eq!(arrived.values("forwarded"), ["for=192.0.2.1, for=127.0.0.1;proto=https"]);
    let answer = site.ask(get("/a?b=c").navigation().header("X-Forwarded-Proto", "https")).await;
    let location = answer.header("location").unwrap();
    assert!(location.ends_with("?rd=https%3A%2F%2Fapp%2Etest%2Fa%3Fb%3Dc"), "{location}");
}

/// A proxy in front appends to what its own client sent: only the plain names are its own words.
#[tokio::test]
async fn a_trusted_proxy_passes_on_no_alias_and_no_identity() {
    let site = Site::start(TRUSTING).await;
    for sign in ["_", ".", "~", "!"] {
        let name = |plain: &str| plain.replace('-', sign);
        let asked = get("/public/x")
            .header(&name("X-Forwarded-For"), "10.9.9.9")
            .header(&name("X-Forwarded-Proto"), "10.9.9.9")
            .header(&name("X-Real-Ip"), "10.9.9.9")
            .header("X-Forwarded-User", "10.9.9.9")
            .header("Remote-User", "10.9.9.9");
        let arrived = site.forwarded(asked).await;
        let head = String::from_utf8_lossy(&arrived.head).into_owned();
        assert!(!head.contains("10.9.9.9"), "{head}");
    }
}

/// CVE-2026-33495: a contradiction about the scheme is no statement, and no other header makes one.
#[tokio::test]
async fn a_trusted_proxy_that_contradicts_itself_is_not_believed() {
    let site = Site::start(TRUSTING).await;
    let doubtful = [
        get("/x").header("X-Forwarded-Proto", "https, http"),
        get("/x").header("X-Forwarded-Proto", "http").header("X-Forwarded-Proto", "https"),
        get("/x").header("X-Forwarded-Proto", "javascript"),
        get("/x").header("X-Forwarded-Host", "evil.test"),
    ];
    for asked in doubtful {
        let answer = site.ask(asked.navigation()).await;
        let location = answer.header("location").unwrap();
        assert!(location.ends_with("?rd=http%3A%2F%2Fapp%2Etest%2Fx"), "{location}");
    }
}
