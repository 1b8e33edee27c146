//! Every way an upstream might read a path.
//!
//! Servers decode, split off `;parameters`, turn backslashes, merge slashes and walk dot segments, each in an order of its
//! own and some of them twice. The readings of a path are all that such steps, in any order and number, can make of
//! it. The gate lets an ambiguous path pass only if all of them fall under the same route.

use std::collections::BTreeSet;

/// More readings than this make a path too ambiguous to judge.
const MAX_READINGS: usize = 96;

/// One step that some server takes.
type Step = fn(&[u8]) -> Vec<u8>;

const STEPS: [Step; 8] = [
    decode_all,
    decode_all_but_slashes,
    decode_overlong,
    without_parameters,
    turn_backslashes,
    merge_slashes,
    walk_dot_segments,
    cut_at_terminator,
];

/// All readings of `path`, itself among them; `None` if there are too many to judge.
pub(super) fn readings(path: &str) -> Option<BTreeSet<Vec<u8>>> {
    let mut known = BTreeSet::from([path.as_bytes().to_vec()]);
    let mut fresh = vec![path.as_bytes().to_vec()];
    while let Some(reading) = fresh.pop() {
        for step in STEPS {
            let next = step(&reading);
            if !known.contains(&next) {
                known.insert(next.clone());
                fresh.push(next);
            }
        }
        if known.len() > MAX_READINGS {
            return None;
        }
    }
    Some(known)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// The byte that a percent triplet at the start of `bytes` stands for.
fn triplet(bytes: &[u8]) -> Option<u8> {
    match bytes {
        [b'%', high, low, ..] => Some(hex(*high)? << 4 | hex(*low)?),
        _ => None,
    }
}

fn decode(path: &[u8], wanted: impl Fn(u8) -> bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((&first, tail)) = rest.split_first() {
        match triplet(rest).filter(|byte| wanted(*byte)) {
            Some(byte) => {
                out.push(byte);
                rest = &rest[3..];
            }
            None => {
                out.push(first);
                rest = tail;
            }
        }
    }
    out
}

fn decode_all(path: &[u8]) -> Vec<u8> {
    decode(path, |_| true)
}

/// Apache with `AllowEncodedSlashes NoDecode`, and most application servers.
fn decode_all_but_slashes(path: &[u8]) -> Vec<u8> {
    decode(path, |byte| !matches!(byte, b'/' | b'\\'))
}

/// Two bytes `C0`/`C1 xx` that old decoders took for the ASCII character they spell the long way.
fn decode_overlong(path: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((&first, tail)) = rest.split_first() {
        match rest {
            [lead @ 0xc0..=0xc1, next @ 0x80..=0xbf, ..] => {
                out.push((lead & 1) << 6 | (next & 0x3f));
                rest = &rest[2..];
            }
            _ => {
                out.push(first);
                rest = tail;
            }
        }
    }
    out
}

/// Servlet containers drop `;name=value` from each segment before they look at it.
fn without_parameters(path: &[u8]) -> Vec<u8> {
    let bare = |segment: &[u8]| segment.split(|b| *b == b';').next().unwrap_or_default().to_vec();
    path.split(|b| *b == b'/').map(bare).collect::<Vec<_>>().join(&b'/')
}

fn turn_backslashes(path: &[u8]) -> Vec<u8> {
    path.iter().map(|b| if *b == b'\\' { b'/' } else { *b }).collect()
}

fn merge_slashes(path: &[u8]) -> Vec<u8> {
    let mut out = path.to_vec();
    out.dedup_by(|next, previous| *next == b'/' && *previous == b'/');
    out
}

/// [RFC 3986 §5.2.4](https://www.rfc-editor.org/rfc/rfc3986#section-5.2.4), without merging slashes.
fn walk_dot_segments(path: &[u8]) -> Vec<u8> {
    let Some(path) = path.strip_prefix(b"/") else {
        return path.to_vec();
    };
    let segments: Vec<&[u8]> = path.split(|b| *b == b'/').collect();
    let mut walked: Vec<&[u8]> = Vec::with_capacity(segments.len());
    let last = segments.len() - 1;
    for (index, segment) in segments.iter().enumerate() {
        match *segment {
            b"." | b".." => {
                if *segment == b".." {
                    walked.pop();
                }
                if index == last {
                    walked.push(b"");
                }
            }
            other => walked.push(other),
        }
    }
    let mut out = vec![b'/'];
    out.extend(walked.join(&b'/'));
    out
}

/// A decoded NUL, `?` or `#` ends the path for some readers.
fn cut_at_terminator(path: &[u8]) -> Vec<u8> {
    path.split(|b| matches!(b, 0 | b'?' | b'#')).next().unwrap_or_default().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reads_as(path: &str, reading: &str) -> bool {
        readings(path).unwrap().contains(reading.as_bytes())
    }

    /// Spellings from the advisories of this product class (CVE-2025-66490, CVE-2026-73511, CVE-2026-33494, CVE-2026-52844,
    /// CVE-2026-26205 and their kin).
    #[test]
    fn every_known_spelling_of_admin_is_seen() {
        for path in [
            "/public/../admin",
            "/public/%2e%2e/admin",
            "/public/%2E%2e/admin",
            "/public/..%2fadmin",
            "/public%2f..%2fadmin",
            "/public/%252e%252e/admin",
            "/public/%25252e%25252e/admin",
            "/public/..;/admin",
            "/public/..;x=y/admin",
            "/public/.;/../admin",
            "/public\\..\\admin",
            "/public%5c..%5cadmin",
            "/public/..%5cadmin",
            "//admin",
            "///admin",
            "/./admin",
            "/%2fadmin",
            "/admin;x",
            "/admin%3bx",
            "/admin%00",
            "/admin%3f",
            "/admin%23",
            "/%61dmin",
            "/public/..//admin",
            "/public//../../admin",
            "/public/%c0%ae%c0%ae/admin",
            "/public/..%c0%afadmin",
            "/..;/admin",
            "/public/x/%2e%2e/%2e%2e/admin",
        ] {
            assert!(reads_as(path, "/admin"), "{path}: {:?}", readings(path));
        }
    }

    #[test]
    fn a_plain_path_has_only_itself() {
        assert_eq!(readings("/a/b").unwrap().len(), 1);
    }

    #[test]
    fn an_encoded_slash_gives_one_more_reading() {
        assert_eq!(readings("/api/projects/group%2Fname").unwrap().len(), 2);
    }

    #[test]
    fn too_many_readings_are_no_readings() {
        assert_eq!(readings(&"/a%2525252e;b\\..//%255c".repeat(40)), None);
    }

    proptest::proptest! {
        #[test]
        fn readings_end(path in "/[a./%25ce;\\\\]{0,40}") {
            let _ = readings(&path);
        }
    }
}
