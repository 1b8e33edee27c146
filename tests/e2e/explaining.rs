//! `sidegate explain`: what it says about a request is what would happen to it.

use tempfile::TempDir;
use tokio::process::Command;

use crate::command_line::directory;
use crate::support::command::sidegate;
use crate::support::key_server::KeyServer;

const RULES: &str = "
routes:
  - { name: admin, match: { paths: /admin/* }, require: { groups_any: admin } }
  - { name: public, match: { paths: /public/* }, access: public }
  - { name: rest, match: { paths: /* } }
";

fn explained(server: &KeyServer) -> TempDir {
    directory(&format!(
        "listen: 127.0.0.1:0\nadmin: none\nupstream: http://127.0.0.1:9\n{}  cookie: sso\n  login_url: https://login.test/in?rd={{return_to}}\n{RULES}",
        server.provider()
    ))
}

async fn explain(directory: &TempDir, arguments: &[&str]) -> Vec<String> {
    let arguments = [&["explain"], arguments].concat();
    let output = sidegate(directory.path(), &arguments).await.well();
    output.lines().map(str::to_owned).collect()
}

/// What is said about `subject`, in order.
fn told<'a>(lines: &'a [String], subject: &str) -> Vec<&'a str> {
    let lines = lines.iter().filter_map(|line| line.split_once(' '));
    lines.filter(|(name, _)| *name == subject).map(|(_, finding)| finding.trim()).collect()
}

#[tokio::test]
async fn explain_shows_the_steps_to_a_permit_and_every_header() {
    let server = KeyServer::start().await;
    let here = explained(&server);
    let token = server.token("ada");
    let arguments = [
        "--url",
        "https://app.test/orders?x=1",
        "--method",
        "PUT",
        "--token",
        &token,
        "--header",
        "X_Forwarded-User: root",
    ];
    let lines = explain(&here, &arguments).await;
    let subjects: Vec<&str> = lines.iter().map(|line| line.split(' ').next().unwrap()).collect();
    let steps = [
        "keys",
        "request",
        "readings",
        "route",
        "credential",
        "token",
        "issuer",
        "identity",
        "decision",
        "removed",
    ];
    assert_eq!(subjects[..7], steps[..7], "{lines:#?}");
    for step in steps {
        assert_eq!(told(&lines, step).len(), 1, "{step}: {lines:#?}");
    }
    assert_eq!(told(&lines, "request"), ["PUT https://app.test/orders?x=1"]);
    assert_eq!(told(&lines, "route"), ["rest (access required)"]);
    assert_eq!(told(&lines, "issuer"), [format!("{} -> provider default", server.url())]);
    assert_eq!(told(&lines, "decision"), ["allow (identified)"]);
    assert_eq!(told(&lines, "removed"), ["x_forwarded-user"]);
    let headers = [
        "x-forwarded-user: ada",
        "x-forwarded-email: ada@example.test",
        "x-forwarded-groups: staff",
        "x-forwarded-preferred-username: ada",
    ];
    let set = told(&lines, "set");
    for header in headers {
        assert!(set.contains(&header), "{header}: {set:?}");
    }
    assert_eq!(set.len(), headers.len(), "{set:?}");
    assert!(!lines.concat().contains(&token), "the token itself is nobody's business");
}

#[tokio::test]
async fn explain_shows_why_a_request_would_not_pass() {
    let server = KeyServer::start().await;
    let here = explained(&server);
    let token = server.token("ada");
    let stranger =
        server.issuer.token_with("ada", |claims| claims["iss"] = "https://evil.test".into());
    let expired = server.issuer.token_with("ada", |claims| {
        claims["iss"] = server.url().into();
        claims["exp"] = 1.into();
    });
    let asked: [(&[&str], &str, &str); 6] = [
        (
            &["--url", "http://a/admin/x", "--token", &token],
            "admin (access required)",
            "forbid (missing_group)",
        ),
        (&["--url", "http://a/x"], "rest (access required)", "challenge (missing_credential)"),
        (
            &["--url", "http://a/x", "--browser"],
            "rest (access required)",
            "sign_in (missing_credential)",
        ),
        (
            &["--url", "http://a/x", "--token", &stranger],
            "rest (access required)",
            "challenge (token_issuer)",
        ),
        (
            &["--url", "http://a/x", "--cookie", &format!("sso={expired}")],
            "rest (access required)",
            "challenge (token_expired)",
        ),
        (&["--url", "http://a/public/x", "--token", "garbage"], "public", "allow (public)"),
    ];
    for (arguments, route, decision) in asked {
        let lines = explain(&here, arguments).await;
        assert_eq!(told(&lines, "route"), [route], "{lines:#?}");
        assert_eq!(told(&lines, "decision"), [decision], "{lines:#?}");
        if !decision.starts_with("allow") {
            assert_eq!(told(&lines, "set"), [""; 0], "{lines:#?}");
        }
    }
    let refused: [(&[&str], &str); 3] = [
        (&["--url", "http://a/x", "--method", "TRACE"], "refuse (method_not_allowed)"),
        (
            &["--url", "http://a/x", "--header", "Content-Length: 5, 5"],
            "refuse (malformed_framing)",
        ),
        (&["--url", "http://a/%zz", "--token", &token], "refuse (malformed_target)"),
    ];
    for (arguments, decision) in refused {
        assert_eq!(told(&explain(&here, arguments).await, "decision"), [decision]);
    }
    let lines = explain(&here, &["--url", "http://a/x?y", "--browser"]).await;
    assert_eq!(told(&lines, "location"), ["https://login.test/in?rd=http%3A%2F%2Fa%2Fx%3Fy"]);
}

#[tokio::test]
async fn explain_shows_every_reading_of_an_ambiguous_path() {
    let server = KeyServer::start().await;
    let here = explained(&server);
    let token = server.token("ada");
    let lines = explain(&here, &["--url", "http://a/public/../admin/x", "--token", &token]).await;
    let readings = told(&lines, "reading");
    assert!(readings.contains(&"/public/../admin/x -> public"), "{lines:#?}");
    assert!(readings.contains(&"/admin/x -> admin"), "{lines:#?}");
    assert_eq!(told(&lines, "decision"), ["refuse (ambiguous_target)"]);
    let lines = explain(&here, &["--url", "http://a/orders/a%20b", "--token", &token]).await;
    assert_eq!(told(&lines, "decision"), ["allow (identified)"], "{lines:#?}");
}

/// The token may come from the environment, where `ps` does not show it.
#[tokio::test]
async fn explain_says_that_keys_are_missing_and_takes_the_token_from_the_environment() {
    let server = KeyServer::start().await;
    server.answer("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n");
    let here = explained(&server);
    let mut command = Command::new(env!("CARGO_BIN_EXE_sidegate"));
    command.args(["explain", "--url", "http://a/x"]).current_dir(here.path());
    let ended = command.env("SIDEGATE_TOKEN", server.token("ada")).output().await.unwrap();
    let output = String::from_utf8(ended.stdout).unwrap();
    let lines: Vec<String> = output.lines().map(str::to_owned).collect();
    assert!(told(&lines, "keys")[0].contains("500"), "{output}");
    assert_eq!(told(&lines, "credential").len(), 1, "{output}");
    assert_eq!(told(&lines, "decision"), ["open: keys are missing"], "{output}");
    assert_eq!(ended.status.code(), Some(0));
}
