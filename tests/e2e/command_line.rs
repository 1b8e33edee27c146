//! What is typed: exit codes, what is said where, and the commands that are not `run`.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;

use reqwest::StatusCode;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::AsyncReadExt;
use tokio::process::Command;
use tokio::time::timeout;

use crate::support::command::sidegate;
use crate::support::http::client;
use crate::support::key_server::KeyServer;
use crate::support::nginx::Nginx;
use crate::support::node::judge;
use crate::support::process::{PATIENCE, Sidegate};

/// Needs no provider to be there.
const QUIET: &str = "
listen: 127.0.0.1:0
admin: none
upstream: http://127.0.0.1:9
provider: { type: jwt, issuer: login, audience: web, jwks: { keys: [{ kty: OKP, crv: Ed25519, x: 11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo }] } }
";

/// A directory with `text` as its `config.yaml`.
pub(crate) fn directory(text: &str) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("config.yaml"), text).unwrap();
    directory
}

#[tokio::test]
async fn bad_usage_ends_with_2_and_says_what_was_expected() {
    let here = directory(QUIET);
    let wrong: [(&[&str], &[&str]); 16] = [
        (&[], &["Usage: sidegate <COMMAND>", "explain", "schema"]),
        (&["frob"], &["unrecognized subcommand 'frob'", "--help"]),
        (&["--frob"], &["unexpected argument '--frob'"]),
        (&["run", "--frob"], &["unexpected argument '--frob'", "Usage: sidegate run"]),
        (&["run", "config.yaml"], &["unexpected argument 'config.yaml'"]),
        (&["run", "-c"], &["--config <FILE>"]),
        (&["check", "--offline"], &["unexpected argument '--offline'"]),
        (&["keys", "frob"], &["invalid value 'frob'", "assertion, session"]),
        (&["schema", "x"], &["unexpected argument 'x'"]),
        (&["explain"], &["--url <URL>"]),
        (&["explain", "--url", "app.test/x"], &["`app.test/x` is no URL"]),
        (&["explain", "--url", "ftp://app.test/"], &["`ftp://app.test/` is no http or https URL"]),
        (&["explain", "--url", "http://u:p@app.test/"], &["`u:p@app.test` is no host"]),
        (&["explain", "--url", "http://app.test/", "--method", "A B"], &["`A B` is no method"]),
        (&["explain", "--url", "http://app.test/", "--header", "x"], &["expected \"Name: value\""]),
        (&["demo", "--address", "0.0.0.0:0"], &["0.0.0.0 is no loopback address"]),
    ];
    for (arguments, words) in wrong {
        sidegate(here.path(), arguments).await.badly(2, words);
    }
}

#[tokio::test]
async fn help_and_version_are_no_failures() {
    let here = directory(QUIET);
    let version = sidegate(here.path(), &["--version"]).await.well();
    assert_eq!(version, format!("sidegate {}\n", env!("CARGO_PKG_VERSION")));
    for command in ["run", "check", "explain", "keys", "schema", "demo"] {
        let help = sidegate(here.path(), &[command, "--help"]).await.well();
        assert!(help.contains(&format!("Usage: sidegate {command}")), "{help}");
    }
}

#[tokio::test]
async fn every_command_tells_all_problems_of_a_bad_file_with_line_and_remedy() {
    let text = "listen: nowhere\nupstream: ftp://a\nprovider:\n  issuer: http://login.example.com\n  audience: web\n  leeway: 1h\n";
    let here = directory(text);
    let expected = [
        "config.yaml: 4 problems",
        "listen (line 1): ",
        "upstream (line 2): ",
        "provider.issuer (line 4): plain http to `login.example.com`",
        "→ write https://login.example.com",
        "provider.leeway (line 6): ",
    ];
    for command in ["run", "check"] {
        sidegate(here.path(), &[command]).await.badly(2, &expected);
    }
    sidegate(here.path(), &["explain", "--url", "http://a/"]).await.badly(2, &expected);
}

#[tokio::test]
async fn a_missing_file_is_named_by_every_command() {
    let here = tempfile::tempdir().unwrap();
    let expected = ["nowhere.yaml: 1 problem", "there is no such file", "-c"];
    for command in ["run", "check"] {
        sidegate(here.path(), &[command, "-c", "nowhere.yaml"]).await.badly(2, &expected);
        sidegate(here.path(), &[command]).await.badly(2, &["config.yaml", "no such file"]);
    }
    let arguments = ["explain", "--url", "http://a/", "-c", "nowhere.yaml"];
    sidegate(here.path(), &arguments).await.badly(2, &expected);
}

#[tokio::test]
async fn secrets_that_cannot_be_read_are_named_and_never_shown() {
    let secret = "s3cr3t-".repeat(3);
    let text = format!(
        "{QUIET}session:\n  keys: [{{ file: missing.key }}, {{ env: NO_SUCH_VARIABLE }}, {{ value: {secret} }}]\n"
    );
    let here = directory(&text);
    let ended = sidegate(here.path(), &["check"]).await;
    ended.badly(2, &["missing.key", "NO_SUCH_VARIABLE", "session.keys[2]"]);
    assert!(!ended.errors.contains("s3cr3t"), "{}", ended.errors);
}

#[tokio::test]
async fn an_address_in_use_ends_with_1_and_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let here = directory(&QUIET.replace("127.0.0.1:0", &address));
    let expected = [address.as_str(), "already in use", "choose another address"];
    sidegate(here.path(), &["run"]).await.badly(1, &expected);
    sidegate(here.path(), &["check"]).await.well();
    let here =
        directory(&QUIET.replace("admin: none", &format!("admin: {{ address: '{address}' }}")));
    sidegate(here.path(), &["run"]).await.badly(1, &expected);
    let arguments = ["demo", "--address", &address];
    sidegate(here.path(), &arguments).await.badly(1, &[&address, "already in use", "--address"]);
}

#[tokio::test]
async fn check_counts_what_it_read_and_warns_without_failing() {
    let here = directory(QUIET);
    let output = sidegate(here.path(), &["check"]).await.well();
    assert_eq!(output, "config.yaml: fine; 1 route, 1 provider, 1 upstream\n");
    let dubious =
        QUIET.replace("keys: [", "keys: [{ kty: EC, crv: secp256k1, kid: odd, x: AA, y: AA }, ");
    let ended = sidegate(directory(&dubious).path(), &["check"]).await;
    assert_eq!((ended.code, ended.output), (Some(0), output));
    assert!(ended.errors.contains("the key odd is not used"), "{}", ended.errors);
}

#[tokio::test]
async fn check_online_fetches_keys_and_fails_where_there_are_none() {
    let server = KeyServer::start().await;
    let text = format!(
        "listen: 127.0.0.1:0\nadmin: none\nupstream: http://127.0.0.1:9\n{}",
        server.provider()
    );
    let here = directory(&text);
    sidegate(here.path(), &["check"]).await.well();
    assert_eq!(server.requests(), 0, "without --online nobody is asked");
    let output = sidegate(here.path(), &["check", "--online"]).await.well();
    assert!(output.ends_with("keys of default: 1 usable\n"), "{output}");
    server.publish(&json!({ "keys": [] }));
    let ended = sidegate(here.path(), &["check", "--online"]).await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(
        ended
            .output
            .contains("keys of default: what was found (application/json) is no usable key set"),
        "{ended:?}"
    );
    assert_eq!(ended.errors, "sidegate: 1 of 1 providers gave no keys\n");
}

#[tokio::test]
async fn keys_are_new_each_time_and_fit_the_configuration() {
    let here = tempfile::tempdir().unwrap();
    let mut made = Vec::new();
    for purpose in ["session", "session", "assertion", "assertion"] {
        let key = sidegate(here.path(), &["keys", purpose]).await.well();
        assert!(!made.contains(&key) && key.ends_with('\n'), "{purpose}: not new");
        made.push(key);
    }
    assert_eq!(sidegate(here.path(), &["keys"]).await.well().len(), made[0].len());
    let keep = |name: &str, content: &str, mode: u32| {
        let file = here.path().join(name);
        std::fs::write(&file, content).unwrap();
        std::fs::set_permissions(file, Permissions::from_mode(mode)).unwrap();
    };
    keep("session.key", &made[0], 0o600);
    keep("assertion.pem", &made[2], 0o600);
    // Sessions are for those who sign in.
    let client = "issuer: 'https://login.test', client_id: web";
    let signing_in = QUIET.replace("type: jwt, issuer: login, audience: web", client);
    let text = |session: &str, assertion: &str| {
        format!(
            "{signing_in}session: {{ keys: [{{ file: {session} }}] }}\nassertion: {{ keys: [{{ file: {assertion} }}] }}\n"
        )
    };
    keep("config.yaml", &text("session.key", "assertion.pem"), 0o644);
    sidegate(here.path(), &["check"]).await.well();
    keep("session.key", &made[1], 0o644);
    let careless = sidegate(here.path(), &["check"]).await;
    assert_eq!(careless.code, Some(0));
    assert!(careless.errors.contains("everybody on this machine can read session.key"));
    keep("config.yaml", &text("assertion.pem", "session.key"), 0o644);
    sidegate(here.path(), &["check"]).await.badly(2, &["session.keys[0]", "assertion.keys[0]"]);
}

fn yaml(path: &Path) -> Value {
    serde_yaml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The reference, the short forms, and what must not pass: the schema is right for editors that know nothing of sidegate.
#[tokio::test]
async fn another_validator_reads_the_schema_as_sidegate_does() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let schema = sidegate(root, &["schema"]).await.well();
    let schema: Value = serde_json::from_str(&schema).unwrap();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    let good = [
        "config.yaml",
        "tests/config/good/sign-in.yaml",
        "tests/config/good/cookie.yaml",
        "tests/config/good/long.yaml",
    ];
    let mut documents: Vec<Value> = good.iter().map(|name| yaml(&root.join(name))).collect();
    let reference = documents[0].clone();
    let mut spoil = |place: &str, value: Value| {
        let mut bad = reference.clone();
        *bad.pointer_mut(place).unwrap() = value;
        documents.push(bad);
    };
    spoil("/routes/0/access", "nobody".into());
    spoil("/timeouts/header", 10.into());
    spoil("/timeouts/header", "10 seconds".into());
    spoil("/limits/header_bytes", "64k".into());
    spoil("/providers/0/algorithms", json!(["HS256"]));
    spoil("/providers/0", json!({ "audience": "web" }));
    spoil("/admin", json!({ "address": "127.0.0.1:1", "adress": "x" }));
    spoil("/threads", "two".into());
    let count = documents.len();
    let input = json!({ "schema": schema, "documents": documents });
    let Some(verdicts) = judge("json-schema.mjs", "ajv", &input).await else { return };
    let refused: Vec<bool> =
        verdicts.as_array().unwrap().iter().map(|verdict| !verdict.is_null()).collect();
    let expected: Vec<bool> = (0..count).map(|n| n >= good.len()).collect();
    assert_eq!(refused, expected, "{verdicts:#}");
}

/// `sidegate schema | head -1`: a reader that has seen enough is no error.
#[tokio::test]
async fn a_reader_that_goes_away_is_no_failure() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sidegate"));
    command.arg("schema").stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().unwrap();
    let mut output = child.stdout.take().unwrap();
    assert_eq!(output.read_u8().await.unwrap(), b'{');
    drop(output);
    let ended = timeout(PATIENCE, child.wait_with_output()).await.unwrap().unwrap();
    assert_eq!((ended.status.code(), ended.stderr), (Some(0), Vec::new()));
}

/// The two short configurations of the manual, but for addresses, before an app behind a real nginx.
const APP: &str = "location / { return 200 'hello $http_x_forwarded_user'; }";

#[tokio::test]
async fn the_short_form_for_a_client_serves_a_real_app() {
    let Some(nginx) = Nginx::start(APP).await else { return };
    let server = KeyServer::start().await;
    let here = directory(&format!(
        "listen: 127.0.0.1:0\nadmin: none\nupstream: http://{}\nprovider:\n  issuer: {}\n  client_id: web\n  \
         client_secret: {{ file: client_secret }}\nsession:\n  keys: [{{ file: session_key }}]\n",
        nginx.address,
        server.url()
    ));
    std::fs::write(here.path().join("client_secret"), "not-used-for-bearer-tokens\n").unwrap();
    let key = sidegate(here.path(), &["keys", "session"]).await.well();
    std::fs::write(here.path().join("session_key"), key).unwrap();
    let sidegate = Sidegate::run_in(here);
    let url = format!("http://{}/", sidegate.address().await);
    let answer = client().get(&url).bearer_auth(server.token("ada")).send().await.unwrap();
    assert_eq!(answer.text().await.unwrap(), "hello ada");
    let answer = client().get(&url).header("X-Forwarded-User", "root").send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    assert!(!answer.text().await.unwrap().contains("hello"));
}

#[tokio::test]
async fn the_short_form_for_a_login_cookie_serves_a_real_app() {
    let Some(nginx) = Nginx::start(APP).await else { return };
    let server = KeyServer::start().await;
    let sidegate = Sidegate::run(&format!(
        "listen: 127.0.0.1:0\nadmin: none\nupstream: http://{}\nprovider:\n  issuer: {}\n  audience: web\n  cookie: sso\n  \
         login_url: https://login.example.com/signin?rd={{return_to}}\n",
        nginx.address,
        server.url()
    ));
    let url = format!("http://{}/orders", sidegate.address().await);
    let cookie = format!("sso={}", server.token("bob"));
    let answer = client().get(&url).header("Cookie", &cookie).send().await.unwrap();
    assert_eq!(answer.text().await.unwrap(), "hello bob");
    let page =
        client().get(&url).header("Accept", "text/html").header("Sec-Fetch-Mode", "navigate");
    let answer = page.send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::FOUND);
    let location = answer.headers()["location"].to_str().unwrap();
    let expected: String = url::form_urlencoded::byte_serialize(url.as_bytes()).collect();
    let written = location.replace("%2E", ".");
    assert_eq!(written, format!("https://login.example.com/signin?rd={expected}"));
}
