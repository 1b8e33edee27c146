//! Key sets: nothing panics, and whatever is accepted keeps its bounds.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sidegate::token::KeySet;

fuzz_target!(|input: &[u8]| {
    if let Ok(parsed) = KeySet::parse(input) {
        assert!((1..=100).contains(&parsed.keys.len()));
        assert!(parsed.keys.len() + parsed.skipped.len() <= 100);
        assert!(parsed.keys.iter().all(|key| !key.algorithms().is_empty()));
    }
});
