use super::*;
use crate::config::problem::Lines;
use std::fs;
use std::os::unix::fs::PermissionsExt;

fn written(json: serde_json::Value) -> Secret {
    serde_json::from_value(json).unwrap()
}

struct Outcome {
    text: Option<String>,
    problems: Vec<String>,
    warnings: Vec<String>,
}

fn outcome(json: serde_json::Value, directory: &Path) -> Outcome {
    let mut inputs = Inputs::new(directory, |name| match name {
        "FULL" => Some("from the environment".to_owned()),
        "EMPTY" => Some(String::new()),
        _ => None,
    });
    let mut report = Report::new(Lines::default());
    let text = load(&written(json), &KeyPath::root().key("secret"), &mut inputs, &mut report);
    let (problems, warnings) = report.into_parts();
    let messages = |list: Vec<crate::config::problem::Problem>| {
        list.iter().map(|p| p.message().to_owned()).collect()
    };
    Outcome {
        text: text.map(|text| text.expose().clone()),
        problems: messages(problems),
        warnings: messages(warnings),
    }
}

fn file(content: &[u8], mode: u32) -> (tempfile::TempDir, Outcome) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("secret");
    fs::write(&path, content).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    let outcome = outcome(serde_json::json!({"file": "secret"}), directory.path());
    (directory, outcome)
}

#[test]
fn one_line_end_is_no_part_of_the_secret() {
    for (content, secret) in [
        ("s3cret\n", "s3cret"),
        ("s3cret\r\n", "s3cret"),
        ("s3cret", "s3cret"),
        ("a\n\n", "a\n"),
        (" a ", " a "),
    ] {
        assert_eq!(file(content.as_bytes(), 0o600).1.text.as_deref(), Some(secret));
    }
}

#[test]
fn a_file_that_all_can_read_is_a_warning() {
    assert_eq!(file(b"x", 0o640).1.warnings, [""; 0]);
    let (_, outcome) = file(b"x", 0o644);
    assert!(outcome.text.is_some());
    assert!(
        outcome.warnings[0].starts_with("everybody on this machine can read "),
        "{:?}",
        outcome.warnings
    );
}

#[test]
fn an_empty_or_unreadable_secret_is_refused() {
    assert_eq!(file(b"\n", 0o600).1.problems, ["the secret is empty"]);
    assert!(file(b"\xff\xfe", 0o600).1.problems[0].ends_with("is not text"));
    let nowhere = Path::new("/nonexistent");
    let missing = outcome(serde_json::json!({"file": "secret"}), nowhere);
    assert_eq!(missing.problems, ["cannot read /nonexistent/secret: there is no such file"]);
    let unset = outcome(serde_json::json!({"env": "UNSET"}), nowhere);
    assert_eq!(unset.problems, ["the environment variable `UNSET` is not set"]);
    assert_eq!(
        outcome(serde_json::json!({"env": "EMPTY"}), nowhere).problems,
        ["the secret is empty"]
    );
}

#[test]
fn the_environment_is_read() {
    let outcome = outcome(serde_json::json!({"env": "FULL"}), Path::new("/"));
    assert_eq!(outcome.text.as_deref(), Some("from the environment"));
}

#[test]
fn a_secret_in_the_configuration_is_a_warning_that_does_not_repeat_it() {
    let outcome = outcome(serde_json::json!({"value": "hunter2"}), Path::new("/"));
    assert_eq!(outcome.text.as_deref(), Some("hunter2"));
    assert_eq!(outcome.warnings, ["a secret in the configuration is seen by all who read it"]);
    let debug = format!("{:?}", written(serde_json::json!({"value": "hunter2"})));
    assert!(!debug.contains("hunter2"), "{debug}");
}

fn key_of(text: &str) -> Result<[u8; 32], String> {
    let mut report = Report::new(Lines::default());
    let key = key(&Hidden::new(text.to_owned()), &KeyPath::root(), &mut report);
    key.map(|key| *key.expose()).ok_or_else(|| report.into_parts().0[0].message().to_owned())
}

#[test]
fn a_key_is_read_in_each_of_its_spellings() {
    let bytes: [u8; 32] = std::array::from_fn(|i| u8::try_from(i * 7 + 130 & 0xff).unwrap());
    let hexadecimal: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
    let base64 = base64::engine::general_purpose::STANDARD.encode(bytes);
    let base64url = URL_SAFE_NO_PAD.encode(bytes);
    for text in [&hexadecimal, &hexadecimal.to_uppercase(), &base64, &base64url] {
        assert_eq!(key_of(text), Ok(bytes), "{text}");
    }
}

#[test]
fn what_is_no_random_key_is_refused_without_repeating_it() {
    assert_eq!(
        key_of("not a key!").unwrap_err(),
        "is no key: it is neither base64 nor hexadecimal"
    );
    assert_eq!(key_of(&"ab".repeat(31)).unwrap_err(), "is a key of 46 bytes, expected 32");
    assert_eq!(key_of("c2hvcnQ").unwrap_err(), "is a key of 5 bytes, expected 32");
    assert_eq!(key_of(&"00".repeat(32)).unwrap_err(), "is no random key: its bytes repeat");
}
