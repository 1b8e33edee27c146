//! The file for Compose.

use serde_json::{Value, json};

use super::{documents, passes_check, read};

#[tokio::test]
async fn the_configuration_for_compose_passes_and_names_its_secrets() {
    let configuration = read("compose/config.yaml");
    passes_check(&configuration).await;
    let compose = &documents(&read("compose/compose.yaml"))[0];
    let secrets = compose["services"]["sidegate"]["secrets"].as_array().unwrap();
    for secret in secrets {
        let path = format!("/run/secrets/{}", secret.as_str().unwrap());
        assert!(configuration.contains(&path), "{path}");
        assert!(compose["secrets"][secret.as_str().unwrap()]["file"].is_string(), "{secret}");
    }
    assert_eq!(configuration.matches("/run/secrets/").count(), secrets.len());
}

#[test]
fn only_sidegate_can_be_reached_in_compose() {
    let compose = &documents(&read("compose/compose.yaml"))[0];
    let services = compose["services"].as_object().unwrap();
    for (name, service) in services {
        assert_eq!(service["read_only"], true, "{name}");
        assert_eq!(service["cap_drop"], json!(["ALL"]), "{name}");
        assert_eq!(service["security_opt"], json!(["no-new-privileges:true"]), "{name}");
        assert_eq!(service["ports"].is_null(), name != "sidegate", "{name}");
    }
    assert_eq!(services["sidegate"]["user"], "65532:65532");
    assert_eq!(services["app"]["networks"], json!(["inside"]));
    assert_eq!(compose["networks"]["inside"]["internal"], true);
    let probe = services["health"]["healthcheck"]["test"].as_array().unwrap().last();
    assert_eq!(probe, Some(&Value::from("http://127.0.0.1:9180/readyz")));
    assert_eq!(services["health"]["network_mode"], "service:sidegate");
}
