//! What the types of providers set is said by `sidegate check`, is on their pages, and can be written otherwise.

use std::collections::BTreeMap;

use super::app::KEY;
use crate::support::command::sidegate;

/// The types, with an issuer of each.
const TYPES: [(&str, &str, &str); 5] = [
    ("auth0", "https://example.eu.auth0.com/", include_str!("../../../docs/providers/auth0.md")),
    ("authgear", "https://auth.example.com", include_str!("../../../docs/providers/authgear.md")),
    ("mosaic", "https://eu.userid.security", include_str!("../../../docs/providers/mosaic.md")),
    ("okta", "https://example.okta.com", include_str!("../../../docs/providers/okta.md")),
    (
        "okta",
        "https://example.okta.com/oauth2/default",
        include_str!("../../../docs/providers/okta.md"),
    ),
];

/// The keys and values that the type is said to set for a provider with more `lines`.
async fn set(kind: &str, issuer: &str, lines: &str) -> Vec<(String, String)> {
    let directory = tempfile::tempdir().unwrap();
    let configuration = format!(
        "listen: 127.0.0.1:0\nupstream: http://127.0.0.1:9\nprovider:\n  name: main\n  type: {kind}\n  issuer: {issuer}\n  \
         client_id: app\n  client_secret: {{ value: s }}\n{lines}session: {{ keys: [{{ value: \"{KEY}\" }}] }}\n"
    );
    std::fs::write(directory.path().join("config.yaml"), configuration).unwrap();
    let told = sidegate(directory.path(), &["check", "-c", "config.yaml"]).await;
    assert_eq!(told.code, Some(0), "{kind} {issuer}: {told:?}");
    let pairs = told.output.lines().filter_map(|line| line.strip_prefix("  ")?.split_once(": "));
    pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// The same pairs as lines of the configuration.
fn written(pairs: &[(String, String)]) -> String {
    let mut sections: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let mut lines = String::new();
    for (key, value) in pairs {
        match key.split_once('.') {
            Some((section, key)) => {
                sections.entry(section).or_default().push(format!("{key}: {value}"));
            }
            None => lines += &format!("  {key}: {value}\n"),
        }
    }
    let sections =
        sections.iter().map(|(name, keys)| format!("  {name}: {{ {} }}\n", keys.join(", ")));
    lines + &sections.collect::<String>()
}

#[tokio::test]
async fn each_type_says_what_it_sets_and_its_page_has_all_of_it() {
    for (kind, issuer, page) in TYPES {
        let pairs = set(kind, issuer, "").await;
        assert!(pairs.len() >= 3, "{kind}: {pairs:?}");
        for (key, _) in &pairs {
            let last = key.rsplit('.').next().unwrap();
            let is_there =
                [key.as_str(), last].iter().any(|key| page.contains(&format!("`{key}`")));
            assert!(is_there, "docs/providers/{kind}.md says nothing of {key}");
        }
    }
}

#[tokio::test]
async fn what_a_type_sets_can_be_written_otherwise() {
    for (kind, issuer, _) in TYPES {
        let pairs = set(kind, issuer, "").await;
        assert_eq!(set(kind, issuer, &written(&pairs)).await, [], "{kind}");
        // One alone leaves the others as they are.
        let (one, others) = pairs.split_first().unwrap();
        assert_eq!(set(kind, issuer, &written(std::slice::from_ref(one))).await, others, "{kind}");
    }
}
