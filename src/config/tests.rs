//! Whole files: the reference, the good examples, the corpus of bad ones.

mod bad;
mod good;
mod reference;
mod sign_in;

use rcgen::{CertificateParams, KeyPair};
use tempfile::TempDir;

use super::*;

/// A directory with every file that the examples name.
fn world() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| {
        use std::os::unix::fs::PermissionsExt;
        let path = directory.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    };
    for name in ["tls", "other", "ca"] {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec![format!("{name}.example.com")])
            .unwrap()
            .self_signed(&key)
            .unwrap();
        put(&format!("etc/sidegate/{name}.crt"), &certificate.pem());
        put(&format!("etc/sidegate/{name}.key"), &key.serialize_pem());
    }
    let key = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
    put("etc/sidegate/keys.json", key);
    put("etc/sidegate/assetlinks.json", "[]");
    put("run/secrets/client_secret", "s3cret\n");
    put("run/secrets/login_service", "a-secret-of-the-test-which-is-long\n");
    put("run/secrets/session_key", "q0Zr1m7x5vPjWn8yTt2kLd4uHc6eXb9aGfOs3iUzR1w\n");
    put(
        "run/secrets/assertion.pem",
        crate::token::SigningKey::generate().unwrap().to_pem().unwrap().expose(),
    );
    put(
        "run/secrets/client.pem",
        crate::token::SigningKey::generate().unwrap().to_pem().unwrap().expose(),
    );
    put("run/secrets/redis_password", "hunter2\n");
    put("etc/sidegate/templates/.keep", "");
    put("var/lib/sidegate/.keep", "");
    directory
}

/// The short and the long form exclude each other.
const FORMS: [(&str, &str); 3] =
    [("listen", "listeners"), ("upstream", "upstreams"), ("provider", "providers")];

const SMALL: &str = "
listen: 127.0.0.1:8080
upstream: http://127.0.0.1:3000
provider:
  issuer: https://login.example.com
  audience: web
  cookie: sso
  login_url: https://login.example.com/signin?rd={return_to}
";

/// The small configuration with the keys of `block` in place of its own.
fn small_with(block: &str) -> String {
    let mut file: serde_yaml::Mapping = serde_yaml::from_str(SMALL).unwrap();
    let block: serde_yaml::Mapping = serde_yaml::from_str(block).unwrap();
    for (key, value) in block {
        for (short, long) in FORMS {
            if key == short || key == long {
                file.remove(short);
                file.remove(long);
            }
        }
        file.insert(key, value);
    }
    serde_yaml::to_string(&file).unwrap()
}

/// Loads `text` with the absolute paths of the examples moved into `world`.
fn load_in(world: &TempDir, text: &str) -> Result<Loaded, Problems> {
    let at = world.path().display().to_string();
    let text = ["/etc/sidegate/", "/run/secrets/", "/var/lib/sidegate/"]
        .into_iter()
        .fold(text.to_owned(), |text, path| text.replace(path, &format!("{at}{path}")));
    let pem = crate::token::SigningKey::generate().unwrap().to_pem().unwrap().expose().clone();
    let environment = move |name: &str| (name == "OLD_ASSERTION_KEY").then(|| pem.clone());
    load_text("config.yaml", &text, world.path(), environment)
}
