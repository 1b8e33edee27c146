//! The manifests for Kubernetes.

use sidegate::gate::Preset;

use super::kubernetes::{build, fits_the_schemas, of_kind, runs_safely};
use super::{documents, passes_check, read, shipped};

#[tokio::test]
async fn stand_alone_is_taken_by_kubernetes_and_by_sidegate() {
    passes_check(&read("kubernetes/stand-alone/config.yaml")).await;
    let Some(text) = build(&shipped("kubernetes/stand-alone")).await else { return };
    fits_the_schemas(&text).await;
    let all = documents(&text);
    runs_safely(&all).await;
    for kind in
        ["NetworkPolicy", "PodDisruptionBudget", "HorizontalPodAutoscaler", "ServiceAccount"]
    {
        assert_eq!(of_kind(&all, kind).len(), 1, "{kind}");
    }
    let deployment = of_kind(&all, "Deployment")[0];
    assert!(deployment["spec"]["replicas"].is_null(), "the autoscaler says how many");
}

#[tokio::test]
async fn the_sidecar_is_taken_by_kubernetes_and_by_sidegate() {
    passes_check(&read("kubernetes/sidecar/config.yaml")).await;
    let Some(text) = build(&shipped("kubernetes/sidecar")).await else { return };
    fits_the_schemas(&text).await;
    let all = documents(&text);
    runs_safely(&all).await;
    let pod = &of_kind(&all, "Deployment")[0]["spec"]["template"]["spec"];
    let sidegate = &pod["initContainers"][0];
    assert_eq!(
        (&sidegate["name"], &sidegate["restartPolicy"]),
        (&"sidegate".into(), &"Always".into())
    );
    let app = &pod["containers"][0];
    assert!(app["ports"].is_null(), "nobody is to reach the app but sidegate");
    for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
        assert!(app[probe]["httpGet"].is_null(), "the kubelet cannot reach loopback");
    }
    assert!(read("kubernetes/sidecar/config.yaml").contains("upstream: http://127.0.0.1:3000"));
    assert_eq!(of_kind(&all, "Service")[0]["spec"]["ports"][0]["targetPort"], "http");
}

#[tokio::test]
async fn ingresses_are_taken_by_kubernetes() {
    for name in ["any", "nginx", "traefik"] {
        fits_the_schemas(&read(&format!("kubernetes/ingress/{name}.yaml"))).await;
    }
}

/// What is not listed would reach the app as the client wrote it.
#[test]
fn ingress_controllers_take_over_every_identity_header() {
    let nginx = documents(&read("kubernetes/ingress/nginx.yaml"));
    let annotations = &nginx[0]["metadata"]["annotations"];
    let listed = annotations["nginx.ingress.kubernetes.io/auth-response-headers"].as_str().unwrap();
    let nginx: Vec<_> = listed.split(',').map(str::to_ascii_lowercase).collect();
    let traefik = documents(&read("kubernetes/ingress/traefik.yaml"));
    let forward = &traefik[0]["spec"]["forwardAuth"];
    assert_eq!(forward["trustForwardHeader"], false);
    let listed = forward["authResponseHeaders"].as_array().unwrap();
    let traefik: Vec<_> =
        listed.iter().map(|name| name.as_str().unwrap().to_ascii_lowercase()).collect();
    let preset = Preset::ALL.iter().find(|preset| preset.name() == "x-forwarded").unwrap();
    let managed = preset.fields().into_iter().map(|(name, _)| name.as_str().to_owned());
    for name in managed.chain(["authorization".to_owned(), "cookie".to_owned()]) {
        assert!(nginx.contains(&name), "nginx: {name}");
        assert!(traefik.contains(&name), "traefik: {name}");
    }
}

/// Behind an ingress controller anybody would be its peer, who is believed.
#[test]
fn the_outside_cannot_ask_whether_a_request_may_pass() {
    let traefik = documents(&read("kubernetes/ingress/traefik.yaml"));
    let rule = traefik[2]["spec"]["routes"][0]["match"].as_str().unwrap();
    assert!(rule.ends_with("&& !PathPrefix(`/.auth/verify`)"), "{rule}");
    let nginx = documents(&read("kubernetes/ingress/nginx.yaml"));
    let paths = nginx[0]["spec"]["rules"][0]["http"]["paths"].as_array().unwrap();
    let asked =
        paths.iter().find(|path| path["path"] == "/.auth/verify").expect("a path of its own");
    assert_eq!(asked["backend"]["service"]["name"], "app");
}
