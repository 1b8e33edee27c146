//! Configurations that documents show: each of them loads.
//!
//! A block that leaves out where to listen, where to go or whom to trust gets the shortest such part, so that the guide
//! can show one section at a time. Files that blocks name are made in a temporary folder.

use crate::files::{self, Findings};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use std::fs;
use std::path::Path;
use std::process::Command;

/// Parts, and what stands for each where a block has neither spelling.
const NEEDED: &[([&str; 2], &str)] = &[
    (["listen:", "listeners:"], "listen: 127.0.0.1:8080\n"),
    (["upstream:", "upstreams:"], "upstream: http://127.0.0.1:3000\n"),
    (
        ["provider:", "providers:"],
        "provider: { issuer: 'https://login.example.com', audience: web, cookie: sso }\n",
    ),
];

/// Folders that documents use, made anew below a temporary one.
const FOLDERS: &[&str] =
    &["/etc/sidegate/", "/run/secrets/", "/run/sidegate/", "/var/lib/sidegate/"];

#[test]
fn configurations_in_documents_load() {
    let folder = tempfile::tempdir().unwrap();
    furnish(folder.path());
    let (mut findings, mut count) = (Findings::default(), 0);
    for file in files::documents() {
        for (line, block) in yaml_blocks(&file.text) {
            count += 1;
            if let Err(problems) = check(folder.path(), &block) {
                findings.add_at(&file.path, line, &problems);
            }
        }
    }
    assert!(
        count >= 10,
        "only {count} configurations were found: the form of the blocks has changed"
    );
    findings.expect_none();
}

/// The blocks of YAML in `text` and the lines they begin at. Other languages, and `yaml` with a word behind it, are not ours.
fn yaml_blocks(text: &str) -> Vec<(usize, String)> {
    let mut blocks: Vec<(usize, String)> = Vec::new();
    let mut inside = false;
    for (index, line) in text.lines().enumerate() {
        match (line.strip_prefix("```"), inside) {
            (Some("yaml"), false) => {
                inside = true;
                blocks.push((index + 1, String::new()));
            }
            (Some(_), true) => inside = false,
            (None, true) => blocks.last_mut().unwrap().1.extend([line, "\n"]),
            _ => {}
        }
    }
    blocks
}

fn check(folder: &Path, block: &str) -> Result<(), String> {
    let has = |key: &str| block.lines().any(|line| line.starts_with(key));
    let missing = NEEDED.iter().filter(|(keys, _)| !keys.iter().any(|key| has(key)));
    let mut text = missing.map(|(_, part)| *part).collect::<String>() + block;
    for made in FOLDERS {
        text = text.replace(made, &format!("{}{made}", folder.display()));
    }
    let path = folder.join("config.yaml");
    fs::write(&path, text).unwrap();
    let checked = Command::new(env!("CARGO_BIN_EXE_sidegate"))
        .args(["check", "-c"])
        .arg(&path)
        .env("CLIENT_SECRET", "a-secret-of-the-test")
        .output()
        .unwrap();
    if checked.status.success() {
        Ok(())
    } else {
        Err(String::from_utf8_lossy(&checked.stderr).into_owned())
    }
}

/// Makes every file that a block may name: certificates, keys, secrets.
fn furnish(top: &Path) {
    for folder in FOLDERS {
        fs::create_dir_all(top.join(&folder[1..])).unwrap();
    }
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["app.example.com".to_owned(), "*.example.com".to_owned()])
            .unwrap();
    let write = |path: &str, text: &str| fs::write(top.join(path), text).unwrap();
    for name in ["app", "wildcard", "tls", "client"] {
        write(&format!("etc/sidegate/{name}.crt"), &cert.pem());
        write(&format!("etc/sidegate/{name}.key"), &signing_key.serialize_pem());
    }
    for name in ["clients.pem", "internal-ca.pem"] {
        write(&format!("etc/sidegate/{name}"), &cert.pem());
    }
    write("etc/sidegate/keys.json", &key_set());
    write("run/secrets/client_secret", "a-secret-of-the-test");
    for name in ["login_service", "shop", "bank"] {
        write(&format!("run/secrets/{name}"), "a-secret-of-the-test-which-is-long");
    }
    write("run/secrets/session_key", &made(&["keys", "session"]));
    write("run/secrets/assertion.pem", &made(&["keys", "assertion"]));
    write("run/secrets/client.pem", &made(&["keys", "assertion"]));
}

/// What a command of sidegate prints.
fn made(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_sidegate")).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn key_set() -> String {
    let key = sidegate::token::SigningKey::generate().unwrap().public_jwk();
    serde_json::json!({ "keys": [key] }).to_string()
}
