//! `Cookie` fields: nothing panics, and a value is found only where a pair begins with that very name.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sidegate::gate::cookie_values;

fuzz_target!(|field: &[u8]| {
    for value in cookie_values(field, "sso") {
        assert!(!value.contains(&b';'));
        let pair = [b"sso=", value].concat();
        assert!(field.windows(pair.len()).any(|window| window == pair));
    }
});
