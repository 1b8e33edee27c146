//! The dashboard and the alerts: no name in them that the program does not have.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use sidegate::telemetry::metrics::{Kind, catalogue};

use super::{documents, read};

/// Labels that Prometheus adds, or that histograms have.
const COMMON: [&str; 3] = ["instance", "job", "le"];

/// Every series that the program writes, and its labels.
fn series() -> BTreeMap<String, BTreeSet<&'static str>> {
    let mut all = BTreeMap::new();
    for metric in catalogue() {
        let labels: BTreeSet<_> = metric.labels.iter().copied().chain(COMMON).collect();
        match metric.kind {
            Kind::Histogram => {
                for end in ["bucket", "count", "sum"] {
                    all.insert(format!("{}_{end}", metric.name), labels.clone());
                }
            }
            Kind::Counter | Kind::Gauge => {
                all.insert(metric.name.to_owned(), labels);
            }
        }
    }
    all
}

/// The names of series in `expression`, and the labels that it selects or groups them by. Good enough for one that names one
/// kind of series.
fn names(expression: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    let quoted = expression.split('"').step_by(2).collect::<Vec<_>>().join("\"\"");
    let part = |c: char| !c.is_alphanumeric() && c != '_';
    let series = quoted
        .split(part)
        .filter(|word| word.starts_with("sidegate_") || word.starts_with("process_"))
        .map(str::to_owned)
        .collect();
    let selected = quoted.split('{').skip(1).filter_map(|rest| rest.split('}').next());
    let selected = selected
        .flat_map(|inside| inside.split(','))
        .filter_map(|pair| pair.split(['=', '!']).next());
    let grouped = quoted.split("by (").skip(1).filter_map(|rest| rest.split(')').next());
    let grouped = grouped.flat_map(|inside| inside.split(','));
    (series, selected.chain(grouped).map(|label| label.trim().to_owned()).collect())
}

/// Asserts that every series of `expression` exists, and has the labels that it is asked for.
fn is_known(expression: &str) {
    let all = series();
    let (found, labels) = names(expression);
    assert!(!found.is_empty(), "{expression}");
    for name in found.iter() {
        let known = all.get(name).unwrap_or_else(|| panic!("there is no {name}: {expression}"));
        // What only joins, or is compared, has no labels of its own.
        if name.starts_with("process_") || name == "sidegate_build_info" {
            continue;
        }
        for label in &labels {
            assert!(known.contains(label.as_str()), "{name} has no label {label}: {expression}");
        }
    }
}

#[test]
fn alerts_name_what_there_is() {
    let rules = documents(&read("prometheus/rules.yaml"));
    let rules = rules[0]["groups"][0]["rules"].as_array().unwrap();
    assert!(rules.len() > 10);
    let names: BTreeSet<_> = rules.iter().map(|rule| rule["alert"].as_str().unwrap()).collect();
    assert_eq!(names.len(), rules.len());
    for rule in rules {
        is_known(rule["expr"].as_str().unwrap());
        assert!(rule["annotations"]["summary"].is_string(), "{rule}");
        assert!(
            ["critical", "warning"].contains(&rule["labels"]["severity"].as_str().unwrap()),
            "{rule}"
        );
    }
}

#[test]
fn the_dashboard_names_what_there_is() {
    let dashboard: Value = serde_json::from_str(&read("grafana/dashboard.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let queries = |panel: &Value| panel["targets"].as_array().cloned().unwrap_or_default();
    let expressions: Vec<_> = panels
        .iter()
        .flat_map(queries)
        .map(|query| query["expr"].as_str().unwrap().to_owned())
        .collect();
    assert!(expressions.len() > 20);
    expressions.iter().for_each(|expression| is_known(expression));
    let ids: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_u64()).collect();
    assert_eq!(ids.len(), panels.len(), "panels have numbers of their own");
}

#[test]
fn names_that_do_not_exist_are_found() {
    let (series, labels) =
        names("sum by (instance, why) (rate(sidegate_x_total{a=\"sidegate_no\",b!~\"c\"}[5m]))");
    assert_eq!(series, BTreeSet::from(["sidegate_x_total".to_owned()]));
    assert_eq!(labels, ["a", "b", "instance", "why"].map(str::to_owned).into());
}
