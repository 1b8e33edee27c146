//! The admin listener: what operators and their tools read, apart from all that users reach.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use crate::support::command::sidegate;
use crate::support::key_server::KeyServer;
use crate::support::metrics::{Sample, eventually, samples, scrape};
use crate::support::process::Sidegate;
use crate::support::raw::{Connection, get, request};
use crate::support::site::Site;
use crate::support::tokens::{Issuer, claims};
use crate::support::upstream::Upstream;

const RULES: &str = "
admin: { address: 127.0.0.1:0 }
log: { requests: none }
routes:
  - { name: public, match: { paths: /public/* }, access: public }
  - { name: app, match: { hosts: ['*.app.test'] } }
";

async fn admin(site: &Site) -> SocketAddr {
    site.sidegate.listener("admin").await
}

#[tokio::test]
async fn probes_and_metrics_are_where_tools_look_for_them() {
    let site = Site::start(RULES).await;
    let admin = admin(&site).await;
    let answers = [
        ("/livez", 200, "text/plain; charset=utf-8", "ok\n"),
        ("/readyz", 200, "application/json", "{\"missing\":{},\"ready\":true}\n"),
        ("/readyz?verbose", 200, "application/json", "{\"missing\":{},\"ready\":true}\n"),
    ];
    for (path, status, kind, body) in answers {
        let answer = get(path).send(admin).await;
        assert_eq!((answer.status, answer.body.as_str()), (status, body), "{path}");
        assert_eq!(answer.values("content-type"), [kind], "{path}");
        assert_eq!(answer.values("cache-control"), ["no-store"], "{path}");
        assert_eq!(answer.values("server"), [""; 0], "{path}");
    }
    let metrics = get("/metrics").send(admin).await;
    assert_eq!(metrics.values("content-type"), ["text/plain; version=0.0.4; charset=utf-8"]);
    // Nothing follows the header of an answer to HEAD but the next answer.
    let mut connection = Connection::open(admin).await;
    connection.send(&request("HEAD", "/livez").header("Connection", "close").bytes()).await;
    let head = String::from_utf8(connection.rest().await).unwrap();
    assert!(head.starts_with("HTTP/1.1 200") && head.ends_with("\r\n\r\n"), "{head}");
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"] {
        for path in ["/livez", "/readyz", "/metrics", "/reload", "/"] {
            assert_eq!(request(method, path).send(admin).await.status, 404, "{method} {path}");
        }
    }
}

/// Ready is who could serve everybody. What is missing has the provider's name, and the reason in words.
#[tokio::test]
async fn it_is_not_ready_until_every_provider_has_given_keys() {
    let (first, second) = (KeyServer::start().await, KeyServer::start().await);
    let down = "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n";
    first.answer(down);
    second.answer(down);
    let upstream = Upstream::start().await;
    let text = format!(
        "listen: 127.0.0.1:0\nadmin: {{ address: 127.0.0.1:0 }}\nupstream: {}\nproviders:\n  \
         - {{ name: staff, type: jwt, issuer: '{}', audience: web }}\n  \
         - {{ name: partners, type: jwt, issuer: '{}', audience: web }}\n",
        upstream.url(),
        first.url(),
        second.url()
    );
    let sidegate = Sidegate::run(&text);
    let admin = sidegate.listener("admin").await;
    let missing = async || {
        let answer = get("/readyz").send(admin).await;
        let said = answer.json();
        assert_eq!(said["ready"], answer.status == 200, "{said}");
        let missing = said["missing"].as_object().unwrap().clone();
        missing.into_iter().collect::<BTreeMap<_, _>>()
    };
    let why = |text: &serde_json::Value| text.as_str().unwrap().contains("500");
    eventually(async || missing().await.values().all(why)).await;
    assert!(missing().await.keys().eq(["partners", "staff"]));
    assert_eq!(get("/livez").send(admin).await.status, 200);
    first.publish(&first.issuer.jwks());
    eventually(async || missing().await.keys().eq(["partners"])).await;
    second.publish(&second.issuer.jwks());
    eventually(async || missing().await.is_empty()).await;
    // Old keys are keys.
    first.answer(down);
    let token = first.token_by(&Issuer::new(), "ada");
    assert_eq!(get("/").bearer(&token).send(sidegate.address().await).await.status, 401);
    eventually(async || scrape(admin).await.contains("result=\"failed\"")).await;
    assert_eq!(get("/readyz").send(admin).await.status, 200);
}

/// What `promtool check metrics` looks for, and what a scraper would refuse.
#[tokio::test]
async fn metrics_are_well_formed() {
    let site = Site::start(RULES).await;
    let admin = admin(&site).await;
    strangers(&site, "x").await;
    let text = scrape(admin).await;
    assert!(text.ends_with('\n') && !text.contains('\r'));
    let families = families(&text);
    assert!(families.len() > 20, "{families:?}");
    for (name, kind) in &families {
        assert_eq!(name.ends_with("_total"), kind == "counter", "{name} is a {kind}");
        assert!(name.starts_with("sidegate_") || name.starts_with("process_"), "{name}");
        assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{name}");
        for unit in ["_ms", "_millis", "_milliseconds", "_kilobytes", "_minutes", "_percent"] {
            assert!(!name.contains(unit), "{name}");
        }
    }
    let samples = samples(&text);
    let mut seen = BTreeSet::new();
    for sample in &samples {
        assert!(seen.insert(format!("{} {:?}", sample.name, sample.labels)), "twice: {sample:?}");
        let family = family(&sample.name, &families);
        let kind = families.get(family).unwrap_or_else(|| panic!("no TYPE: {sample:?}"));
        assert_eq!(sample.labels.contains_key("le"), sample.name.ends_with("_bucket"));
        assert!(kind == "gauge" || sample.value >= 0.0, "{sample:?}");
        assert!(sample.value.is_finite(), "{sample:?}");
    }
    histograms(&samples);
}

/// The kind of every family. Each is announced once, with a help, before its samples, which follow together.
fn families(text: &str) -> BTreeMap<String, String> {
    let (mut kinds, mut helped) = (BTreeMap::new(), BTreeSet::new());
    let mut current = String::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap();
            assert!(help.len() > 10 && helped.insert(name.to_owned()), "{line}");
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            assert!(helped.contains(name), "no HELP before {line}");
            assert!(kinds.insert(name.to_owned(), kind.to_owned()).is_none(), "twice: {line}");
            name.clone_into(&mut current);
        } else {
            assert!(line.starts_with(&current) && !current.is_empty(), "out of place: {line}");
        }
    }
    kinds
}

/// The family of a sample: its name, or that of the histogram that it belongs to.
fn family<'a>(name: &'a str, families: &BTreeMap<String, String>) -> &'a str {
    let parts = ["_bucket", "_sum", "_count"].into_iter();
    let histogram = parts.filter_map(|part| name.strip_suffix(part));
    let mut histogram =
        histogram.filter(|name| families.get(*name).is_some_and(|kind| kind == "histogram"));
    histogram.next().unwrap_or(name)
}

/// Buckets grow with their bounds, and the last one has everything.
fn histograms(samples: &[Sample]) {
    let mut series: BTreeMap<String, Vec<(f64, f64)>> = BTreeMap::new();
    for sample in samples.iter().filter(|sample| sample.name.ends_with("_bucket")) {
        let mut labels = sample.labels.clone();
        let bound = match labels.remove("le").unwrap().as_str() {
            "+Inf" => f64::INFINITY,
            bound => bound.parse().unwrap(),
        };
        let name = format!("{} {labels:?}", sample.name.trim_end_matches("_bucket"));
        series.entry(name).or_default().push((bound, sample.value));
    }
    assert!(!series.is_empty());
    for (name, buckets) in series {
        assert!(buckets.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1), "{name}: {buckets:?}");
        let (last, all) = buckets[buckets.len() - 1];
        let counted = samples.iter().find(|sample| {
            let base = sample.name.strip_suffix("_count");
            base.is_some_and(|base| format!("{base} {:?}", sample.labels) == name)
        });
        assert_eq!((last, Some(all)), (f64::INFINITY, counted.map(|count| count.value)), "{name}");
    }
}

/// Requests of all kinds, whose every part has `word` in it.
async fn strangers(site: &Site, word: &str) {
    let good = site.issuer.token_with("ada", |claims| claims["sub"] = word.into());
    let foreign = site.issuer.token_with("ada", |claims| claims["iss"] = word.into());
    let mut header = site.issuer.header();
    header["kid"] = word.into();
    let unknown = site.issuer.sign(&header, &claims("ada"));
    let path = format!("/{word}?{word}={word}");
    let host = format!("{word}.app.test");
    let all = [
        get(&path).host(&host).bearer(&good).header("User-Agent", word),
        get(&path).host(&host).bearer(&foreign),
        get(&path).host(&host).bearer(&unknown),
        get(&path).host(&host).bearer(word),
        get(&path).host(&host).header("Authorization", &format!("{word} {word}")),
        get(&path).host(&host).cookie(word).navigation(),
        get(&path).host(&host).header(word, word),
        get(&path).host(&format!("{word}.other.test")),
        get(&path).host(&format!("{word}/{word}")),
        get(&format!("/public/{word}")).host(&host),
        get(&format!("/public/../{word}")).host(&host),
        get(&format!("/.auth/{word}")).host(&host),
        get(&format!("/{word}%zz")).host(&host),
        request(&word.to_uppercase(), &path).host(&host),
        request(word, &path).host(&host),
        request("TRACE", &path).host(&host),
        request("OPTIONS", &path).host(&host).header("Origin", &format!("https://{word}.test")),
        get(&path).host(&host).header("Content-Length", word),
        get(&path).host(&host).header("X-Request-Id", word).header("X-Forwarded-For", word),
    ];
    for request in all {
        request.send(site.address).await;
    }
}

/// A label that a stranger can fill is a memory that a stranger can fill, here and in whatever reads the metrics.
#[tokio::test]
async fn no_stranger_adds_a_series() {
    let site = Site::start(RULES).await;
    let admin = admin(&site).await;
    strangers(&site, "zwei").await;
    let series = async || {
        let samples = samples(&scrape(admin).await);
        samples.iter().map(|sample| format!("{} {:?}", sample.name, sample.labels)).collect()
    };
    let before: BTreeSet<String> = series().await;
    for n in 0..25 {
        let letters = ["qu", "xy", "zz", "jk", "vw"];
        strangers(&site, &format!("{}{}", letters[n % 5], letters[n / 5])).await;
    }
    let after: BTreeSet<String> = series().await;
    assert_eq!(after, before);
    let text = scrape(admin).await;
    for word in ["zwei", "ZWEI", "quqx", "zzxy", "jkvw"] {
        assert!(!text.contains(word), "{word}:\n{text}");
    }
    assert!(before.len() < 600, "{}", before.len());
}

#[tokio::test]
async fn nothing_of_users_is_on_the_admin_listener() {
    let site = Site::start(RULES).await;
    let admin = admin(&site).await;
    let token = site.issuer.token("ada");
    let targets = [
        "/",
        "/public/x",
        "/x",
        "/.auth/jwks",
        "/.auth/session",
        "/.auth/login",
        "//livez",
        "/livez/",
        "/livez/../public/x",
        "/%6civez",
        "/LIVEZ",
        "http://x.app.test/public/x",
    ];
    for target in targets {
        let asked = get(target).host("x.app.test").bearer(&token).cookie(&token);
        let answer = asked.send(admin).await;
        assert_eq!(answer.status, 404, "{target}: {answer:?}");
        assert!(!answer.head.contains(&token) && !answer.body.contains("app.test"), "{answer:?}");
    }
    let upgrade = get("/public/x").websocket().send(admin).await;
    assert_eq!(upgrade.status, 404);
    site.nothing_since(0, "by the admin listener");
}

/// The address of a probe is an app's path like any other where users come in.
#[tokio::test]
async fn nothing_of_operators_is_where_users_come_in() {
    let site = Site::start(&RULES.replace("/public/*", "/*")).await;
    for path in ["/livez", "/readyz", "/metrics"] {
        let arrived = site.forwarded(get(path)).await;
        assert_eq!(arrived.target(), path, "it is the app's to answer");
    }
    for path in ["/.auth/livez", "/.auth/readyz", "/.auth/metrics"] {
        let answer = site.refused(get(path)).await;
        assert!(!answer.body.contains("sidegate_"), "{answer:?}");
    }
}

#[tokio::test]
async fn there_may_be_none() {
    let site = Site::start("\nadmin: none\nroutes: [{ access: public }]\n").await;
    site.forwarded(get("/")).await;
    let output = site.sidegate.program.output();
    assert_eq!(output.matches("\"listening\"").count(), 1, "{output}");
    let folder = tempfile::tempdir().unwrap();
    let text = "listen: 127.0.0.1:7001\nadmin: { address: '127.0.0.1:7001' }\nupstream: http://127.0.0.1:9\nroutes: [{ access: public }]\n";
    std::fs::write(folder.path().join("config.yaml"), text).unwrap();
    sidegate(folder.path(), &["check"]).await.badly(2, &["admin", "7001"]);
}
