//! What clients try in order to pass as somebody else, or by another rule: the corpora of the tests inline, by every door.

use super::stand::Stand;
use crate::forwarded::CLAIMS;
use crate::identity_headers::{FORGED, NAMES, spellings};
use crate::paths::{ADMIN, ADMIN_BY_PUBLIC};
use crate::support::raw::{Request, ask, get, request};
use crate::support::upstream::Recorded;

/// What only counts where a configuration has a header or a rule for it, which those that are shipped do not have.
const OTHERWISE_CONFIGURED: [&str; 3] = ["X-Department", "X-City", "X-HTTP-Method-Override"];

/// Targets under one route in every reading, which must arrive as they were asked for.
const OF_ONE_READING: &[&str] = &[
    "/api/group%2Fname",
    "/api/%41",
    "/api/a%20b",
    "/api/a;b",
    "/api/x?a=%2F..%2F&b=;",
    "/api/a+b~c",
];

/// As many fields as leave a request within every limit.
const FIELDS_AT_ONCE: usize = 25;

fn head(arrived: &Recorded) -> String {
    String::from_utf8_lossy(&arrived.head).into_owned()
}

fn assert_clean(arrived: &Recorded, what: &str) {
    assert!(!head(arrived).contains(FORGED), "{what}: {}", head(arrived));
}

/// CVE-2025-64484, CVE-2026-54763, CVE-2026-88011, CVE-2026-88879, CVE-2026-30851, CVE-2020-25017, GHSA-w9mr-28mw-j8hg,
/// CVE-2024-45410.
pub(super) async fn identity(stand: &Stand) -> Option<()> {
    let token = stand.provider.token("bob", "ES256").await;
    let names = NAMES.iter().filter(|name| !OTHERWISE_CONFIGURED.contains(name));
    let forged: Vec<String> = names.flat_map(|name| spellings(name)).collect();
    for names in forged.chunks(FIELDS_AT_ONCE) {
        for way in
            [get("/public/x"), get("/x").bearer(&token), request("POST", "/x").bearer(&token)]
        {
            let asked = names.iter().fold(way, |asked, name| asked.header(name, FORGED));
            let (arrived, answer) = stand.try_ask(asked).await;
            match arrived {
                Some(arrived) => assert_clean(&arrived, &format!("{names:?}")),
                None => assert!((400..500).contains(&answer.status), "{names:?}: {answer:?}"),
            }
        }
    }
    plain_names_are_replaced(stand, &token).await;
    duplicates(stand, &token).await;
    nominated(stand, &token).await;
    Some(())
}

/// A client that sends them, as some do without ill will, is not refused for it.
async fn plain_names_are_replaced(stand: &Stand, token: &str) {
    let asked = get("/x").header("X-Forwarded-User", FORGED).header("X-Forwarded-Email", FORGED);
    let arrived = stand.passes(asked.bearer(token)).await;
    assert_eq!(arrived.values("x-forwarded-user"), ["bob"]);
    // This caller has no address: what the client sent must not stand in for it.
    assert_eq!(arrived.values("x-forwarded-email").concat(), "");
    let arrived = stand.passes(get("/public/x").header("X-Forwarded-User", FORGED)).await;
    assert_eq!(arrived.values("x-forwarded-user").concat(), "");
}

async fn duplicates(stand: &Stand, token: &str) {
    let asked = get("/x")
        .header("X-Forwarded-User", FORGED)
        .bearer(token)
        .header("x-forwarded-user", &format!("ada,{FORGED}"))
        .header("X-FORWARDED-USER", FORGED);
    let arrived = stand.passes(asked).await;
    assert_eq!(arrived.values("x-forwarded-user"), ["bob"]);
    assert_clean(&arrived, "duplicates");
    let two = get("/x").bearer(token).header("Authorization", "Basic YWRhOnBhc3N3b3Jk");
    let (arrived, answer) = stand.try_ask(two).await;
    assert!(
        arrived.is_none() && (400..500).contains(&answer.status),
        "two credentials: {answer:?}"
    );
}

async fn nominated(stand: &Stand, token: &str) {
    for name in [
        "X-Forwarded-User",
        "X-Forwarded-Groups",
        "X-Forwarded-For",
        "X-Forwarded-Host",
        "X-Request-Id",
        "Cookie",
        "Authorization",
    ] {
        for nominated in [
            name.to_owned(),
            name.to_lowercase(),
            format!("close, {name}"),
            format!("{name},{name}"),
        ] {
            let asked = get("/x").bearer(token).header("Connection", &nominated);
            let (arrived, answer) = stand.try_ask(asked).await;
            let Some(arrived) = arrived else {
                assert!((400..500).contains(&answer.status), "Connection: {nominated}: {answer:?}");
                continue;
            };
            assert_eq!(arrived.values("x-forwarded-user"), ["bob"], "Connection: {nominated}");
            let connection = arrived.values("connection").concat().to_lowercase();
            assert!(
                !connection.contains(&name.to_lowercase()),
                "it goes on to the app: {connection}"
            );
        }
    }
}

/// CVE-2026-40575, CVE-2026-33495, CVE-2026-35051, CVE-2026-54764, CVE-2026-39858, CVE-2023-27487, CVE-2024-45806.
pub(super) async fn forwarded(stand: &Stand) -> Option<()> {
    let plain = stand.refused(get("/admin/x?x=1").navigation()).await;
    assert_eq!(plain.status, 302, "{plain:?}");
    let aim = |location: Option<&str>| {
        location.map(|text| text.split("return_to").next().unwrap_or("").to_owned())
    };
    for (name, value) in CLAIMS.iter().filter(|(name, _)| !OTHERWISE_CONFIGURED.contains(name)) {
        for name in ["-", "_", ".", "~"].map(|sign| name.replace('-', sign)) {
            let told = stand.refused(get("/admin/x?x=1").navigation().header(&name, value)).await;
            let goes_there =
                told.status == 302 && aim(told.header("location")) == aim(plain.header("location"));
            assert!(goes_there || (400..500).contains(&told.status), "{name}: {told:?}");
            stand.refused(get("/admin/x").header(&name, value)).await;
            claimed_on_a_public_page(stand, &name, value).await;
        }
    }
    hosts(stand).await;
    Some(())
}

/// What a client claims of itself does not reach the app.
async fn claimed_on_a_public_page(stand: &Stand, name: &str, value: &str) {
    let (arrived, answer) = stand.try_ask(get("/public/x").header(name, value)).await;
    match arrived {
        Some(arrived) => {
            let line = format!("{name}: {value}").to_lowercase();
            assert!(!head(&arrived).to_lowercase().contains(&line), "{}", head(&arrived));
            assert_eq!(arrived.target(), "/public/x");
        }
        None => assert!((400..500).contains(&answer.status), "{name}: {answer:?}"),
    }
}

/// Two names for the host of one request: the one that was judged is the one that the app reads.
async fn hosts(stand: &Stand) {
    let authority = format!("localhost:{}", stand.address.port());
    let before = stand.app.requests().len();
    for (target, host) in [
        (format!("http://{authority}/wanted"), "evil.test".to_owned()),
        ("http://evil.test/public/x".to_owned(), authority.clone()),
        ("/public/x".to_owned(), "evil.test".to_owned()),
        (format!("http://{authority}/wanted"), authority.clone()),
        ("/public/x".to_owned(), format!("{authority}\r\nHost: evil.test")),
    ] {
        let answer = ask(stand.address, &get(&target).host(&host).bytes()).await;
        for arrived in &stand.app.requests()[before..] {
            let judged = match stand.front.serves_any_host() {
                true => stand.judged_host(arrived).await,
                false => authority.clone(),
            };
            assert_eq!(arrived.values("host"), [judged], "{target} at {host}: {answer:?}");
            assert!(
                arrived.target().ends_with("/public/x"),
                "{target} at {host}: {}",
                head(arrived)
            );
        }
    }
}

/// CVE-2026-33494, CVE-2025-47952, CVE-2025-32431, CVE-2025-66490, CVE-2026-73511, CVE-2026-52844, CVE-2026-40912, CVE-2025-54576,
/// CVE-2026-26205, CVE-2026-27587.
pub(super) async fn paths(stand: &Stand) -> Option<()> {
    let token = stand.provider.token("bob", "ES256").await;
    for target in ADMIN_BY_PUBLIC.iter().chain(ADMIN) {
        for asked in [get(target), get(target).bearer(&token), get(target).navigation()] {
            stays_out(stand, asked).await;
        }
    }
    let ada = stand.provider.token("ada", "ES256").await;
    for target in ADMIN.iter().chain(OF_ONE_READING) {
        let (arrived, answer) = stand.try_ask(get(target).bearer(&ada)).await;
        match arrived {
            Some(arrived) if !stand.front.tidies_paths() => assert_eq!(arrived.target(), *target),
            Some(_) => {}
            None => assert!((400..500).contains(&answer.status), "{target}: {answer:?}"),
        }
    }
    Some(())
}

/// Asserts that `request` is refused, or that the app got a path below `/public` that can be read in one way only: some proxies
/// tidy up what they pass on, before they ask.
async fn stays_out(stand: &Stand, request: Request) {
    let (arrived, answer) = stand.try_ask(request.clone()).await;
    let Some(arrived) = arrived else {
        assert!((300..500).contains(&answer.status), "{request:?}: {answer:?}");
        return;
    };
    let target = arrived.target();
    let path = target.split('?').next().unwrap_or_default();
    let plain = !path.contains("..") && !path.contains("//") && !path.contains(['%', ';', '\\']);
    assert!(path.starts_with("/public/") && plain, "{request:?} arrives as {target}");
}
