use serde_json::json;

use super::*;

fn problem(text: &str) -> (Option<usize>, String) {
    let problems = parse(text).unwrap_err();
    (problems[0].line(), problems[0].message().to_owned())
}

fn line_of(text: &str, path: &KeyPath) -> Option<usize> {
    let mut report = crate::config::problem::Report::new(parse(text).unwrap().lines);
    report.refuse(path, "m", "r");
    report.into_parts().0[0].line()
}

#[test]
fn values_are_what_they_look_like() {
    let document = parse("a: 1\nb: 'x'\nc: [true, ~, 1.5]\nd: { e: on }\n").unwrap();
    assert_eq!(document.value, json!({"a": 1, "b": "x", "c": [true, null, 1.5], "d": {"e": "on"}}));
}

#[test]
fn every_value_has_its_line() {
    let text = "a: 1\nlist:\n  - x: 1\n    y:\n      long text\n  - z: 2\n";
    let list = KeyPath::root().key("list");
    assert_eq!(line_of(text, &KeyPath::root().key("a")), Some(1));
    assert_eq!(line_of(text, &list), Some(2));
    assert_eq!(line_of(text, &list.index(0).key("y")), Some(5));
    assert_eq!(line_of(text, &list.index(1)), Some(6));
    assert_eq!(line_of(text, &list.index(1).key("missing")), Some(6));
    assert_eq!(line_of(text, &KeyPath::root()), None);
}

#[test]
fn an_alias_repeats_its_anchor() {
    let document = parse("a: &staff [x, y]\nb: *staff\n").unwrap();
    assert_eq!(document.value, json!({"a": ["x", "y"], "b": ["x", "y"]}));
}

#[test]
fn aliases_cannot_make_a_small_file_huge() {
    let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..10 {
        let item = format!("*a{},", level - 1).repeat(10);
        text.push_str(&format!("a{level}: &a{level} [{item}]\n"));
    }
    let (line, message) = problem(&text);
    assert_eq!(line, Some(5));
    assert_eq!(message, "has more than 100000 values once its aliases are written out");
}

#[test]
fn an_alias_inside_its_anchor_is_refused() {
    assert_eq!(problem("a: &a [*a]\n").0, Some(1));
}

#[test]
fn duplicate_keys_are_all_told_with_both_lines() {
    let document = parse("a: 1\nb: {c: 1, c: 2, d: ~, e: 'x', f: x y}\na: 2\n").unwrap();
    let told: Vec<_> = document.problems.iter().map(|p| (p.line(), p.message())).collect();
    let expected = [
        (Some(2), "`c` is written twice, first on line 2"),
        (Some(3), "`a` is written twice, first on line 1"),
    ];
    assert_eq!(told, expected);
    let first = json!({"a": 1, "b": {"c": 1, "d": null, "e": "x", "f": "x y"}});
    assert_eq!(document.value, first, "the rest can still be looked at");
}

#[test]
fn what_readers_could_take_differently_is_refused() {
    for (text, line, message) in [
        ("", None, "the file is empty"),
        ("# nothing\n", None, "the file is empty"),
        ("a: 1\n---\nb: 2\n", Some(2), "begins a second document"),
        ("a:\n\tb: 1\n", Some(2), "is indented with a tab"),
        ("a: !!str 1\n", Some(1), "has a YAML tag"),
        ("a: !env X\n", Some(1), "has a YAML tag"),
        ("1: x\n", Some(1), "the key `1` is not text"),
        ("a: {true: x}\n", Some(1), "the key `true` is not text"),
        ("? [a]\n: b\n", Some(1), "has a key that is not text"),
        (
            "a: &a {b: 1}\nc:\n  <<: *a\n",
            Some(3),
            "is a merge key, which readers treat differently",
        ),
        ("a: 0x10\n", Some(1), "`0x10` can be read in several ways"),
        ("a: 0o17\n", Some(1), "`0o17` can be read in several ways"),
        ("a: .inf\n", Some(1), "`.inf` can be read in several ways"),
        ("a: \u{0}\n", Some(1), "has the character U+0000, which no editor shows"),
        ("a: x\n# \u{202e}\n", Some(2), "has the character U+202E, which no editor shows"),
    ] {
        assert_eq!(problem(text), (line, message.to_owned()), "{text:?}");
    }
}

#[test]
fn broken_yaml_has_a_line() {
    for (text, line) in
        [("a: [1, 2\n", 2), ("a: 1\n  b: 2\n", 2), ("a: 'x\n", 2), ("a: *nobody\n", 1)]
    {
        let (found, message) = problem(text);
        assert!(message.starts_with("is not YAML: "), "{message}");
        assert!(found.is_some_and(|found| found <= line && found > 0), "{text:?} {found:?}");
    }
}

#[test]
fn depth_and_size_are_bounded() {
    assert_eq!(problem(&"[".repeat(40)).1, "is nested deeper than 32 levels");
    assert!(
        problem(&"a".repeat(MAX_BYTES + 1))
            .1
            .starts_with("the file has more than the 1048576 bytes")
    );
}

#[test]
fn windows_line_ends_and_a_byte_order_mark_change_nothing() {
    assert_eq!(parse("\u{feff}a: 1\r\nb: x\r\n").unwrap().value, json!({"a": 1, "b": "x"}));
}

proptest::proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in "[\\PC\\n\\t]{0,200}") {
        let _ = parse(&text);
    }

    #[test]
    fn no_yaml_like_text_makes_the_reader_panic(
        parts in proptest::collection::vec(
            proptest::sample::select(vec![
                "a", ": ", "- ", "\n", "  ", "[", "]", "{", "}", ",", "&x ", "*x", "'", "\"", "|\n", ">\n", "# ", "? ", "!t ",
                "<<: ", "---\n", "...\n", "%YAML 1.2\n", "1", "~", "\\", "\t", "\r\n", "\u{85}", "é",
            ]),
            0..40,
        )
    ) {
        let _ = parse(&parts.concat());
    }
}
