//! What front proxies tell of requests: nothing panics, one statement alone is believed, and it is told as it was read.

#![no_main]

use http::Method;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use libfuzzer_sys::fuzz_target;
use sidegate::serve::{Dialect, SubRequest};

/// Each line of the input is a value for one of these, or for none.
const NAMES: [&str; 10] = [
    "x-original-method",
    "x-original-url",
    "x-forwarded-method",
    "x-forwarded-proto",
    "x-forwarded-host",
    "x-forwarded-uri",
    "x-original-uri",
    "x-envoy-original-path",
    "x-rewrite-url",
    "x_original_url",
];

fuzz_target!(|input: &[u8]| {
    let mut lines = input.split(|b| *b == b'\n');
    let rest = lines.next().unwrap_or_default();
    let host = lines.next().and_then(|host| std::str::from_utf8(host).ok());
    let mut headers = HeaderMap::new();
    for line in lines {
        let Some((first, value)) = line.split_first() else { continue };
        let name = NAMES[usize::from(*first) % NAMES.len()];
        let Ok(value) = HeaderValue::from_bytes(value) else { continue };
        headers.append(HeaderName::from_static(name), value);
    }
    for dialect in Dialect::ALL {
        let method = &Method::GET;
        let asked = SubRequest { dialect, method, host, headers: &headers, rest };
        let Ok(original) = asked.original() else { continue };
        let target = original.target().written();
        assert!(target.starts_with('/') && target.is_ascii());
        assert!(!original.authority().host().is_empty());
        let told = |name: &str| headers.get_all(name).iter().count();
        let by_url = (told("x-original-url"), told("x-original-method"));
        let by_parts = (told("x-forwarded-uri"), told("x-forwarded-method"));
        assert!(matches!((by_url, by_parts), ((1, 1), (0, 0)) | ((0, 0), (1, 1) | (0, 0))));
        assert_eq!(
            told("x-original-uri") + told("x-envoy-original-path") + told("x-rewrite-url"),
            0
        );
        assert!(by_url != (0, 0) || by_parts != (0, 0) || dialect == Dialect::Envoy);
    }
});
