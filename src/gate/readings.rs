//! Every way an upstream might read a path.
//!
//! Servers decode, split off `;parameters`, turn backslashes, merge slashes and walk dot segments, each in an order of its
//! own and some of them twice. The readings of a path are all that such steps, in any order and number, can make of
//! it. The gate lets an ambiguous path pass only if all of them fall under the same route. Upper and lower case are not among
//! them: to a server that does not tell them apart every path has thousands of spellings.

use smallvec::SmallVec;

/// More readings than this make a path too ambiguous to judge.
const MAX_READINGS: usize = 96;

/// Readings of more bytes than this, all together, too: what an odd path may cost is bounded.
const MAX_BYTES: usize = 128 * 1024;

/// One step that some server takes.
type Step = fn(&[u8]) -> Vec<u8>;

/// Each step, and the bytes of which a path must have one for the step to change it.
const STEPS: [(&[u8], Step); 11] = [
    (b"%", decode_all),
    (b"%", decode_all_but_slashes),
    (b"%", decode_utf16),
    (b"\xc0\xc1\xe0\xef", decode_lookalikes),
    (b";", without_parameters),
    (b";", cut_at_parameters),
    (b"\\", turn_backslashes),
    (b"/", merge_slashes),
    (b".", walk_dot_segments),
    (b". ", without_trailing_dots),
    (b"\0?#", cut_at_terminator),
];

/// Whether `holds` is true of every reading of `path` beside itself. It is not where there are too many to judge.
pub(super) fn every_reading(path: &str, mut holds: impl FnMut(&[u8]) -> bool) -> bool {
    let mut known = vec![path.as_bytes().to_vec()];
    let (mut next, mut bytes) = (0, path.len());
    while let Some(reading) = known.get(next) {
        for found in step_on(reading) {
            if known.contains(&found) {
                continue;
            }
            bytes += found.len();
            if known.len() == MAX_READINGS || bytes > MAX_BYTES || !holds(&found) {
                return false;
            }
            known.push(found);
        }
        next += 1;
    }
    true
}

/// What each step makes of `reading`.
fn step_on(reading: &[u8]) -> SmallVec<[Vec<u8>; 4]> {
    let mut present = [false; 256];
    reading.iter().for_each(|b| present[usize::from(*b)] = true);
    let applies = |bytes: &[u8]| bytes.iter().any(|b| present[usize::from(*b)]);
    let taken = STEPS.iter().filter(|(bytes, _)| applies(bytes));
    taken.map(|(_, step)| step(reading)).collect()
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

/// `%uXXXX`, as IIS reads it.
fn decode_utf16(path: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((&first, tail)) = rest.split_first() {
        match utf16(rest) {
            Some(byte) => {
                out.push(byte);
                rest = &rest[6..];
            }
            None => {
                out.push(first);
                rest = tail;
            }
        }
    }
    out
}

/// The ASCII character that `%uXXXX` at the start of `bytes` is taken for.
fn utf16(bytes: &[u8]) -> Option<u8> {
    let [b'%', b'u' | b'U', digits @ ..] = bytes else { return None };
    let value = digits
        .get(..4)?
        .iter()
        .try_fold(0, |value, digit| Some(value << 4 | u16::from(hex(*digit)?)))?;
    let plain = if (0xff01..=0xff5e).contains(&value) { value - 0xfee0 } else { value };
    u8::try_from(plain).ok().filter(u8::is_ascii)
}

/// Overlong UTF-8, which old decoders took for the ASCII character it spells, and full-width forms, which Windows and
/// Unicode's compatibility forms turn into it.
fn decode_lookalikes(path: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((&first, tail)) = rest.split_first() {
        let (byte, length) = lookalike(rest).unwrap_or((first, 1));
        out.push(byte);
        rest = if length == 1 { tail } else { &rest[length..] };
    }
    out
}

/// The ASCII character that the bytes at the start of `bytes` are taken for, and how many they are.
const fn lookalike(bytes: &[u8]) -> Option<(u8, usize)> {
    match *bytes {
        [lead @ 0xc0..=0xc1, last @ 0x80..=0xbf, ..] => Some(((lead & 1) << 6 | (last & 0x3f), 2)),
        [0xe0, middle @ 0x80..=0x81, last @ 0x80..=0xbf, ..] => {
            Some(((middle & 1) << 6 | (last & 0x3f), 3))
        }
        [0xef, 0xbc, last @ 0x81..=0xbf, ..] => Some((last - 0x60, 3)),
        [0xef, 0xbd, last @ 0x80..=0x9e, ..] => Some((last - 0x20, 3)),
        _ => None,
    }
}

/// Servlet containers drop `;name=value` from each segment before they look at it.
fn without_parameters(path: &[u8]) -> Vec<u8> {
    let bare = |segment: &[u8]| segment.split(|b| *b == b';').next().unwrap_or_default().to_vec();
    path.split(|b| *b == b'/').map(bare).collect::<Vec<_>>().join(&b'/')
}

/// Some readers take all behind the first `;` for parameters.
fn cut_at_parameters(path: &[u8]) -> Vec<u8> {
    path.split(|b| *b == b';').next().unwrap_or_default().to_vec()
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

/// Windows drops dots and spaces at the end of a name.
fn without_trailing_dots(path: &[u8]) -> Vec<u8> {
    path.split(|b| *b == b'/').map(windows_name).collect::<Vec<_>>().join(&b'/')
}

fn windows_name(segment: &[u8]) -> &[u8] {
    let end = segment.iter().rposition(|b| !matches!(b, b'.' | b' ')).map_or(0, |last| last + 1);
    match &segment[..end] {
        b"" if segment.starts_with(b"..") => b"..",
        b"" if segment.starts_with(b".") => b".",
        name => name,
    }
}

/// A decoded NUL, `?` or `#` ends the path for some readers.
fn cut_at_terminator(path: &[u8]) -> Vec<u8> {
    path.split(|b| matches!(b, 0 | b'?' | b'#')).next().unwrap_or_default().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn readings(path: &str) -> Option<Vec<Vec<u8>>> {
        let mut all = vec![path.as_bytes().to_vec()];
        let complete = every_reading(path, |reading| {
            all.push(reading.to_vec());
            true
        });
        complete.then_some(all)
    }

    fn reads_as(path: &str, reading: &str) -> bool {
        readings(path).unwrap().contains(&reading.as_bytes().to_vec())
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
            "/public/..%20/admin",
            "/public/.../admin",
            "/admin.",
            "/admin%20",
            "/public/%25u002e%25u002e/admin",
            "/public/%25uff0e%25uFF0E%25u002fadmin",
            "/public/%e0%80%ae%e0%80%ae/admin",
            "/public/%ef%bc%8e%ef%bc%8e/admin",
            "/public/..%ef%bc%8fadmin",
            "/public/../admin;/../public/x",
            "/public/../admin%00/../public/x",
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
    fn the_first_reading_that_does_not_hold_ends_the_search() {
        let mut seen = 0;
        assert!(!every_reading("/a%252e%252e;b/..%255c", |_| {
            seen += 1;
            false
        }));
        assert_eq!(seen, 1);
    }

    #[test]
    fn too_many_readings_are_no_readings() {
        assert_eq!(readings(&"/a%2525252e;b\\..//%255c".repeat(40)), None);
        assert_eq!(readings(&format!("/{}%252525", "a".repeat(60_000))), None);
    }

    proptest::proptest! {
        #[test]
        fn readings_end(path in "/[a./%25ce;\\\\]{0,40}") {
            let _ = readings(&path);
        }
    }
}
