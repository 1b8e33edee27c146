//! The corpus of bad files: each ends with the report that it must give, in lines that begin with `#|`.

use super::*;

fn expected(text: &str) -> String {
    let lines: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("#| ")).collect();
    lines.join("\n")
}

/// The report for the file, with the scratch directory taken out of it.
fn report(world: &TempDir, text: &str) -> String {
    let Err(problems) = load_in(world, text) else { return String::from("it loads") };
    problems.to_string().replace(&world.path().display().to_string(), "")
}

#[test]
fn every_bad_file_is_refused_with_key_line_and_remedy() {
    let world = world();
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config/bad");
    let mut wrong = Vec::new();
    let mut count = 0;
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let found = report(&world, &text);
        if found != expected(&text) {
            wrong.push(format!("--- {}\n{found}", path.display()));
        }
        count += 1;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count > 40, "{count}");
}

proptest::proptest! {
    #[test]
    fn no_text_makes_loading_panic(text in "[\\PC\\n]{0,200}") {
        let _ = load_text("x", &text, Path::new("/nonexistent"), |_| None);
    }

    /// Every line of the reference, dropped, doubled, cut or with its value replaced: loaded or refused, never worse.
    #[test]
    fn no_damage_to_the_reference_makes_loading_panic(
        line in 0_usize..400,
        damage in 0_usize..5,
        value in proptest::sample::select(vec!["", "null", "[]", "{}", "-1", "1e400", "\"\"", "*x", "{a: [b]}", "~ (", "x: y", "\u{1}", "99999999999999999999s"]),
    ) {
        let text = include_str!("../../../config.yaml");
        let damaged: Vec<String> = text.lines().enumerate().flat_map(|(index, text)| {
            let text = text.to_owned();
            if index != line { return vec![text] }
            let key = text.split(": ").next().unwrap_or_default().to_owned();
            match damage {
                0 => vec![],
                1 => vec![text.clone(), text],
                2 => vec![text.chars().take(text.chars().count() / 2).collect()],
                3 => vec![format!(" {text}")],
                _ => vec![format!("{key}: {value}")],
            }
        }).collect();
        let _ = load_text("x", &damaged.join("\n"), Path::new("/nonexistent"), |_| None);
    }
}
