use serde_json::Value;

use super::*;

fn line() -> RequestLine<'static> {
    RequestLine {
        time: Moment { unix_millis: 1_709_164_799_007 },
        door: Door::Proxy,
        listener: "edge",
        request_id: "0123456789abcdef",
        method: "GET".into(),
        host: Some("app.example.com".into()),
        path: Path::of(b"/orders/1?access_token=SECRET#x"),
        route: Some("app"),
        outcome: Outcome::Allow,
        reason: "token",
        status: Some(200),
        subject: Some("ada"),
        provider: Some("main"),
        upstream: Some("app"),
        duration_ms: 1.25,
        bytes_in: 0,
        bytes_out: 512,
        client: Some(IpAddr::from([192, 0, 2, 7])),
        user_agent: Some("curl/8".into()),
    }
}

fn written(line: &RequestLine<'_>) -> String {
    serde_json::to_string(line).unwrap()
}

fn parsed(line: &RequestLine<'_>) -> Value {
    serde_json::from_str(&written(line)).unwrap()
}

#[test]
fn a_line_tells_who_did_what_and_what_became_of_it() {
    let expected = concat!(
        r#"{"time":"2024-02-28T23:59:59.007Z","door":"proxy","listener":"edge","request_id":"0123456789abcdef","#,
        r#""method":"GET","host":"app.example.com","path":"/orders/1","route":"app","outcome":"allow","#,
        r#""reason":"token","status":200,"subject":"ada","provider":"main","upstream":"app","duration_ms":1.25,"#,
        r#""bytes_in":0,"bytes_out":512,"client":"192.0.2.7","user_agent":"curl/8"}"#
    );
    assert_eq!(written(&line()), expected);
}

#[test]
fn the_query_never_reaches_the_line() {
    assert!(!written(&line()).contains("SECRET"));
    assert_eq!(parsed(&RequestLine { path: Path::of(b"/a#code=SECRET"), ..line() })["path"], "/a");
}

#[test]
fn no_bytes_break_out_of_the_line() {
    let all: Vec<u8> = (0..=255).collect();
    let hostile = "x\n{\"outcome\":\"allow\"}\r\u{2028}\u{85}\u{1b}[2J\u{202e}";
    let claimed = RequestLine { subject: Some(hostile), ..line() };
    assert!(!written(&claimed).contains(['\n', '\u{85}', '\u{2028}', '\u{202e}']));
    for bytes in [&all[..], hostile.as_bytes()] {
        let line = RequestLine { user_agent: Some(Text(bytes)), host: Some(Text(bytes)), ..line() };
        let text = written(&line);
        assert!(!text.chars().any(char::is_control), "{text}");
        assert!(!text.contains(['\u{2028}', '\u{202e}']), "{text}");
        assert_eq!(parsed(&line)["outcome"], "allow");
    }
}

#[test]
fn bytes_that_are_not_text_are_replaced_and_the_rest_kept() {
    let line = RequestLine { user_agent: Some(Text(b"caf\xe9 \xc3\xa9")), ..line() };
    assert_eq!(parsed(&line)["user_agent"], "caf\u{fffd} é");
}

#[test]
fn what_is_unknown_is_left_out() {
    let line = RequestLine { subject: None, status: None, route: None, ..line() };
    let text = written(&line);
    assert!(!text.contains("subject") && !text.contains("null") && !text.contains("status"));
}

#[test]
fn moments_are_right_at_the_edges_of_years_and_leap_days() {
    let text = |unix_millis| Moment { unix_millis }.to_string();
    assert_eq!(text(0), "1970-01-01T00:00:00.000Z");
    assert_eq!(text(951_782_400_000), "2000-02-29T00:00:00.000Z");
    assert_eq!(text(1_735_689_599_999), "2024-12-31T23:59:59.999Z");
    assert_eq!(text(4_102_444_800_000), "2100-01-01T00:00:00.000Z");
}

#[test]
fn the_setting_says_who_gets_a_line() {
    assert!(RequestLog::All.wants(Outcome::Allow));
    assert!(!RequestLog::Refused.wants(Outcome::Allow));
    assert!(RequestLog::Refused.wants(Outcome::Forbid));
    assert!(!RequestLog::None.wants(Outcome::Forbid));
}
