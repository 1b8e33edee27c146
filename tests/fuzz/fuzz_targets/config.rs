//! Configurations: nothing panics, and every refusal says what, where and what to do.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sidegate::config::load_text;
use std::path::Path;

fuzz_target!(|text: &str| {
    let Err(problems) = load_text("fuzz.yaml", text, Path::new("/nonexistent"), |_| None) else {
        return;
    };
    assert!(problems.iter().count() > 0);
    let lines = text.split('\n').count();
    for problem in problems.iter() {
        assert!(!problem.message().is_empty() && !problem.remedy().is_empty());
        assert!(problem.line().is_none_or(|line| (1..=lines + 1).contains(&line)));
    }
});
