//! What holds of everything that goes to Kubernetes, wherever it comes from: its schemas, and the rules of our own.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};

use super::{documents, passes_check, run};
use crate::support::peer;

/// The oldest and the newest version whose schemas are asked: preStop can sleep since the former.
const VERSIONS: [&str; 2] = ["1.30", "1.37"];

/// Kinds of others, whose schemas Kubernetes does not have.
const FOREIGN: [&str; 3] = ["IngressRoute", "Middleware", "ServiceMonitor"];

/// Asserts that `text` is what Kubernetes takes, as far as its schemas tell, with no field that it would ignore. Nothing where
/// the judge is missing.
pub(super) async fn fits_the_schemas(text: &str) {
    let Some(judge) = peer::find(&["kubernetes-validate"]) else { return };
    // As they are written: numbers such as 0440 mean something else when they are written anew.
    let own: Vec<_> = text.split("\n---").filter(|it| documents(it).iter().any(is_own)).collect();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("all.yaml");
    std::fs::write(&file, own.join("\n---\n")).unwrap();
    for version in VERSIONS {
        let file = file.to_str().unwrap();
        let said = run(&judge, ["-k", version, "--strict", file]).await;
        assert!(said.well, "{version}: {}\n{}\n{text}", said.output, said.errors);
        // What it has no schema for it passes with a warning.
        let all = format!("{}{}", said.output, said.errors);
        assert_eq!(all.matches("passed for resource").count(), own.len(), "{all}");
    }
}

fn is_own(document: &Value) -> bool {
    !FOREIGN.contains(&document["kind"].as_str().expect("a kind"))
}

/// The documents of `kind`.
pub(super) fn of_kind<'a>(all: &'a [Value], kind: &str) -> Vec<&'a Value> {
    all.iter().filter(|document| document["kind"] == kind).collect()
}

/// Asserts what must hold of whatever runs sidegate: no rights, probes on the admin port alone, secrets and configuration that
/// cannot be written, no admin port on a Service of requests; and that `sidegate check` takes every configuration.
pub(super) async fn runs_safely(all: &[Value]) {
    let deployments = of_kind(all, "Deployment");
    assert!(!deployments.is_empty());
    for deployment in deployments {
        is_restricted(&deployment["spec"]["template"]["spec"]);
    }
    for service in of_kind(all, "Service") {
        let metrics = service["metadata"]["labels"]["app.kubernetes.io/component"] == "metrics";
        let ports = service["spec"]["ports"].as_array().unwrap();
        let admin =
            ports.iter().any(|port| port["targetPort"] == "admin" || port["targetPort"] == 9180);
        assert_eq!(admin, metrics, "{service}");
    }
    let maps = of_kind(all, "ConfigMap");
    assert!(!maps.is_empty());
    for map in maps {
        passes_check(map["data"]["config.yaml"].as_str().expect("a config.yaml")).await;
    }
}

/// The rules of the level
/// [restricted](https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted), and stricter ones of our own.
fn is_restricted(pod: &Value) {
    assert_eq!(pod["automountServiceAccountToken"], false);
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
    for field in ["hostNetwork", "hostPID", "hostIPC"] {
        assert_eq!(pod[field], Value::Null, "{field}");
    }
    let containers = ["initContainers", "containers"];
    let containers: Vec<_> =
        containers.iter().filter_map(|list| pod[list].as_array()).flatten().collect();
    for container in &containers {
        let context = &container["securityContext"];
        assert_eq!(context["allowPrivilegeEscalation"], false, "{container}");
        assert_eq!(context["readOnlyRootFilesystem"], true, "{container}");
        assert_eq!(context["capabilities"], json!({ "drop": ["ALL"] }), "{container}");
        assert!(container["resources"]["limits"]["memory"].is_string(), "{container}");
    }
    let sidegate = containers.iter().find(|container| container["name"] == "sidegate");
    is_probed(sidegate.expect("a container called sidegate"));
    for volume in pod["volumes"].as_array().unwrap() {
        if volume["secret"].is_object() {
            assert!(
                !volume["secret"]["defaultMode"].is_null(),
                "{volume} is for everybody in the pod"
            );
        }
    }
}

fn is_probed(sidegate: &Value) {
    for (probe, path) in
        [("startupProbe", "/livez"), ("readinessProbe", "/readyz"), ("livenessProbe", "/livez")]
    {
        let expected = json!({ "path": path, "port": "admin" });
        assert_eq!(sidegate[probe]["httpGet"], expected, "{probe}");
    }
    let ports = sidegate["ports"].as_array().unwrap();
    let names: BTreeSet<_> = ports.iter().map(|port| port["name"].as_str().unwrap()).collect();
    assert!(names.contains("admin") && names.len() == ports.len() && names.len() > 1, "{names:?}");
    for mount in sidegate["volumeMounts"].as_array().unwrap() {
        assert_eq!(mount["readOnly"], true, "{mount}");
    }
}

/// A folder with a `kustomization.yaml`, built; nothing where the builder is missing.
pub(super) async fn build(folder: &Path) -> Option<String> {
    let kustomize = peer::find(&["kustomize"])?;
    Some(run(&kustomize, ["build".as_ref(), folder.as_os_str()]).await.well())
}
