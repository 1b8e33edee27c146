//! `Cookie` fields, walked with bounds: exact octets, no unquoting, no case folding
//! ([RFC 6265 §5.4](https://www.rfc-editor.org/rfc/rfc6265#section-5.4)). What a value means is somebody else's job.

/// The pairs of one `Cookie` field, each as its trimmed octets: `name=value`, or whatever stands between two semicolons.
#[derive(Clone, Debug)]
pub struct CookiePairs<'a> {
    rest: &'a [u8],
}

impl<'a> CookiePairs<'a> {
    /// The pairs of `field`.
    pub const fn new(field: &'a [u8]) -> Self {
        Self { rest: field }
    }
}

impl<'a> Iterator for CookiePairs<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.rest.is_empty() {
            return None;
        }
        let end = first_semicolon(self.rest);
        let pair = self.rest[..end].trim_ascii();
        self.rest = self.rest.get(end + 1..).unwrap_or_default();
        Some(pair)
    }
}

/// The values of one name in one `Cookie` field.
#[derive(Clone, Debug)]
pub struct CookieValues<'a, 'n> {
    pairs: CookiePairs<'a>,
    name: &'n [u8],
}

impl<'a, 'n> CookieValues<'a, 'n> {
    /// The values of `name` in `field`.
    pub const fn new(field: &'a [u8], name: &'n [u8]) -> Self {
        Self { pairs: CookiePairs::new(field), name }
    }
}

impl<'a> Iterator for CookieValues<'a, '_> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let name = self.name;
        self.pairs.find_map(|pair| pair.strip_prefix(name)?.strip_prefix(b"="))
    }
}

/// Where the pair at the start of `field` ends. Looks at blocks, since tokens are long.
fn first_semicolon(field: &[u8]) -> usize {
    let without = |block: &&[u8]| !block.iter().fold(false, |found, b| found | (*b == b';'));
    let skipped: usize = field.chunks(64).take_while(without).map(<[u8]>::len).sum();
    let within = field[skipped..].iter().position(|b| *b == b';');
    within.map_or(field.len(), |index| skipped + index)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values<'a>(field: &'a [u8], name: &str) -> Vec<&'a [u8]> {
        CookieValues::new(field, name.as_bytes()).collect()
    }

    #[test]
    fn a_name_is_found_whole_and_as_written() {
        let field = b"xsso=1; sso=2; SSO=3; sso_1=4;sso=5; \tsso=6 ; sso";
        assert_eq!(values(field, "sso"), [b"2", b"5", b"6"]);
        assert_eq!(values(b"sso=\"quoted\"", "sso"), [b"\"quoted\""]);
        assert_eq!(values(b"sso =1", "sso"), [b""; 0]);
        assert_eq!(values(b";;;=", ""), [b""]);
    }

    #[test]
    fn pairs_end_at_every_semicolon_wherever_it_stands() {
        for length in 0..200 {
            let field = format!("{}; b={}", "a".repeat(length), "c".repeat(length));
            assert_eq!(values(field.as_bytes(), "b"), ["c".repeat(length).as_bytes()]);
        }
    }
}
