//! What the admin listener says, and waiting until it does.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use tokio::time::{Duration, sleep, timeout};

use super::http::client;
use super::process::PATIENCE;

const PAUSE: Duration = Duration::from_millis(10);

/// A sample of a metric: name, labels, value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sample {
    pub(crate) name: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) value: f64,
}

/// Looks again and again until `holds`: for what happens in the background, and cannot be awaited from outside.
pub(crate) async fn eventually(holds: impl AsyncFn() -> bool) {
    let watching = async {
        while !holds().await {
            sleep(PAUSE).await;
        }
    };
    timeout(PATIENCE, watching).await.expect("what was waited for did not come about");
}

/// The text at `/metrics` of the admin listener at `admin`.
pub(crate) async fn scrape(admin: SocketAddr) -> String {
    let answer = client().get(format!("http://{admin}/metrics")).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    answer.text().await.unwrap()
}

/// The value of the metric called `name` with these of its labels; summed up where there are several, 0 where there is none.
pub(crate) async fn metric(admin: SocketAddr, name: &str, labels: &[(&str, &str)]) -> f64 {
    let samples = samples(&scrape(admin).await);
    let wanted = |sample: &&Sample| {
        let label =
            |(key, value): &(&str, &str)| sample.labels.get(*key).is_some_and(|v| v == value);
        sample.name == name && labels.iter().all(label)
    };
    samples.iter().filter(wanted).map(|sample| sample.value).sum()
}

/// The samples in `text`, read by the letter of the
/// [text format](https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format).
pub(crate) fn samples(text: &str) -> Vec<Sample> {
    text.lines().filter(|line| !line.starts_with('#')).map(sample).collect()
}

fn sample(line: &str) -> Sample {
    let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no sample: {line:?}"));
    let (name, labels) = match series.split_once('{') {
        None => (series, BTreeMap::new()),
        Some((name, rest)) => {
            let inside = rest.strip_suffix('}').unwrap_or_else(|| panic!("open: {line:?}"));
            (name, pairs(inside))
        }
    };
    let value = match value {
        "+Inf" => f64::INFINITY,
        "-Inf" => f64::NEG_INFINITY,
        text => text.parse().unwrap_or_else(|_| panic!("no number: {line:?}")),
    };
    Sample { name: name.to_owned(), labels, value }
}

/// `a="x",b="y"`, where values may escape `\`, `"` and the end of a line.
fn pairs(text: &str) -> BTreeMap<String, String> {
    let (mut found, mut rest) = (BTreeMap::new(), text);
    while !rest.is_empty() {
        let (name, behind) = rest.split_once("=\"").unwrap_or_else(|| panic!("no label: {rest:?}"));
        let (value, behind) = quoted(behind);
        assert!(found.insert(name.to_owned(), value).is_none(), "{name} twice: {text:?}");
        rest = behind.strip_prefix(',').unwrap_or(behind);
    }
    found
}

/// The value up to the closing quotation mark, and what is behind it.
fn quoted(text: &str) -> (String, &str) {
    let (mut value, mut escaped) = (String::new(), false);
    for (at, c) in text.char_indices() {
        match (escaped, c) {
            (false, '\\') => escaped = true,
            (false, '"') => return (value, &text[at + 1..]),
            (false, c) => value.push(c),
            (true, c) => {
                value.push(if c == 'n' { '\n' } else { c });
                escaped = false;
            }
        }
    }
    panic!("open value: {text:?}");
}
