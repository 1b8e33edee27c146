//! The Helm chart, with Helm.

use std::path::PathBuf;

use serde_json::Value;

use super::kubernetes::{fits_the_schemas, of_kind, runs_safely};
use super::{Said, documents, run, shipped};
use crate::support::peer;

/// A release of the chart with Helm.
struct Chart {
    helm: PathBuf,
    folder: String,
}

impl Chart {
    /// Nothing where Helm is missing.
    fn find() -> Option<Self> {
        let folder = shipped("helm/sidegate").to_str().unwrap().to_owned();
        Some(Self { helm: peer::find(&["helm"])?, folder })
    }

    /// What `helm template` makes of the values of `ci/NAME.yaml` and those of `set`.
    async fn render(&self, name: &str, set: &[&str]) -> Said {
        let values = format!("{}/ci/{name}.yaml", self.folder);
        let mut arguments =
            vec!["template", "web", &self.folder, "--kube-version", "1.33", "-f", &values];
        for value in set {
            arguments.extend(["--set", value]);
        }
        run(&self.helm, arguments).await
    }

    async fn documents(&self, name: &str, set: &[&str]) -> Vec<Value> {
        documents(&self.render(name, set).await.well())
    }
}

#[tokio::test]
async fn the_chart_is_clean() {
    let Some(chart) = Chart::find() else { return };
    for name in ["minimal", "everything"] {
        let values = format!("{}/ci/{name}.yaml", chart.folder);
        run(&chart.helm, ["lint", "--strict", &chart.folder, "-f", &values]).await.well();
    }
}

#[tokio::test]
async fn what_the_chart_makes_is_taken_by_kubernetes_and_by_sidegate() {
    let Some(chart) = Chart::find() else { return };
    for (name, set) in [
        ("minimal", &[][..]),
        ("everything", &[]),
        (
            "minimal",
            &["disruptionBudget.enabled=false", "networkPolicy.enabled=false", "replicas=1"],
        ),
        ("minimal", &["nameOverride=gate", "serviceAccount.annotations.a=b", "secrets=null"]),
        (
            "minimal",
            &[
                "fullnameOverride=a-name-that-is-much-longer-than-the-sixty-three-letters-of-a-label",
            ],
        ),
    ] {
        let text = chart.render(name, set).await.well();
        fits_the_schemas(&text).await;
        runs_safely(&documents(&text)).await;
    }
}

#[tokio::test]
async fn the_chart_has_all_that_is_asked_for_and_no_more() {
    let Some(chart) = Chart::find() else { return };
    let kinds = |all: &[Value]| {
        let mut kinds: Vec<_> =
            all.iter().map(|it| it["kind"].as_str().unwrap().to_owned()).collect();
        kinds.sort();
        kinds.join(" ")
    };
    assert_eq!(
        kinds(&chart.documents("minimal", &[]).await),
        "ConfigMap Deployment NetworkPolicy PodDisruptionBudget Service ServiceAccount"
    );
    assert_eq!(
        kinds(&chart.documents("everything", &[]).await),
        "ConfigMap Deployment HorizontalPodAutoscaler NetworkPolicy PodDisruptionBudget Service Service ServiceMonitor"
    );
}

/// Until somebody is named, nobody may connect; and a changed configuration starts new pods.
#[tokio::test]
async fn defaults_are_closed_and_changes_are_rolled_out() {
    let Some(chart) = Chart::find() else { return };
    let minimal = chart.documents("minimal", &[]).await;
    let policy = &of_kind(&minimal, "NetworkPolicy")[0]["spec"];
    assert_eq!(policy["ingress"], Value::Array(Vec::new()));
    assert_eq!(policy["policyTypes"], serde_json::json!(["Ingress"]));
    let checksum = |all: &[Value]| {
        let template = &of_kind(all, "Deployment")[0]["spec"]["template"];
        template["metadata"]["annotations"]["checksum/config"].as_str().unwrap().to_owned()
    };
    let other = chart.documents("minimal", &["config.provider.client_id=other"]).await;
    assert_ne!(checksum(&minimal), checksum(&other));
    assert_eq!(checksum(&minimal), checksum(&chart.documents("minimal", &["replicas=7"]).await));
}

#[tokio::test]
async fn values_that_cannot_be_meant_are_refused() {
    let Some(chart) = Chart::find() else { return };
    for (set, expected) in [
        ("replicaCount=3", "replicaCount"),
        ("config.listen=0.0.0.0:8080", "listen"),
        ("config.admin.address=127.0.0.1:9180", "where the kubelet's probes cannot come"),
        ("config.admin=none", "admin"),
        ("ports.http.targetPort=8081", "ports.http.targetPort is 8081"),
        ("ports.other.port=81,ports.other.targetPort=9999", "ports.other.targetPort is 9999"),
        ("config.listeners[0].address=unix:/run/a.sock", "address"),
        ("networkPolicy.enabled=maybe", "enabled"),
        ("image.digest=latest", "digest"),
    ] {
        let said = chart.render("minimal", &[set]).await;
        assert!(
            !said.well && said.errors.contains(expected),
            "{set}: {}{}",
            said.output,
            said.errors
        );
    }
}
