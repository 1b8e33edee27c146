//! The fields that may tell of another request, found in one pass: a question has few other fields, and looking up each of these
//! costs more than going through all.

use http::HeaderMap;
use http::header::HeaderValue;

use crate::gate::Reason;

/// A field that tells of another request in some dialect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    EnvoyOriginalPath,
    ForwardedHost,
    ForwardedMethod,
    ForwardedProto,
    ForwardedUri,
    OriginalMethod,
    OriginalUri,
    OriginalUrl,
    RewriteUrl,
}

impl Field {
    const COUNT: usize = 9;

    /// The field called `name`, which is in lower case.
    fn of(name: &str) -> Option<Self> {
        Some(match name.strip_prefix("x-")? {
            "envoy-original-path" => Self::EnvoyOriginalPath,
            "forwarded-host" => Self::ForwardedHost,
            "forwarded-method" => Self::ForwardedMethod,
            "forwarded-proto" => Self::ForwardedProto,
            "forwarded-uri" => Self::ForwardedUri,
            "original-method" => Self::OriginalMethod,
            "original-uri" => Self::OriginalUri,
            "original-url" => Self::OriginalUrl,
            "rewrite-url" => Self::RewriteUrl,
            _ => return None,
        })
    }
}

/// What is told, by field.
#[derive(Clone, Copy, Debug)]
pub(super) struct Told<'a>([Times<'a>; Field::COUNT]);

/// How often a field is there.
#[derive(Clone, Copy, Debug)]
enum Times<'a> {
    Never,
    Once(&'a HeaderValue),
    More,
}

impl<'a> Told<'a> {
    /// What `headers` tell.
    pub(super) fn of(headers: &'a HeaderMap) -> Self {
        let mut told = [Times::Never; Field::COUNT];
        for (name, value) in headers {
            if let Some(field) = Field::of(name.as_str()) {
                let times = &mut told[field as usize];
                *times =
                    if matches!(times, Times::Never) { Times::Once(value) } else { Times::More };
            }
        }
        Self(told)
    }

    /// Whether `field` is there.
    pub(super) const fn has(&self, field: Field) -> bool {
        !matches!(self.0[field as usize], Times::Never)
    }

    /// That none of `fields` is there.
    ///
    /// # Errors
    /// [`Reason::ForwardedMixed`] if one is.
    pub(super) fn has_none_of(&self, fields: &[Field]) -> Result<(), Reason> {
        let found = fields.iter().any(|field| self.has(*field));
        if found { Err(Reason::ForwardedMixed) } else { Ok(()) }
    }

    /// The one field of that name. nginx drops fields that are empty, others send them: both tell nothing.
    pub(super) fn field(&self, field: Field) -> Result<&'a HeaderValue, Reason> {
        match self.0[field as usize] {
            Times::More => Err(Reason::ForwardedMixed),
            Times::Once(value) if !value.is_empty() => Ok(value),
            Times::Once(_) | Times::Never => Err(Reason::ForwardedIncomplete),
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::*;

    const NAMES: [&str; Field::COUNT] = [
        "x-envoy-original-path",
        "x-forwarded-host",
        "x-forwarded-method",
        "x-forwarded-proto",
        "x-forwarded-uri",
        "x-original-method",
        "x-original-uri",
        "x-original-url",
        "x-rewrite-url",
    ];

    #[test]
    fn each_field_is_found_by_its_name_alone() {
        let fields = NAMES.map(|name| Field::of(name).unwrap());
        for (place, name) in NAMES.into_iter().enumerate() {
            let headers =
                HeaderMap::from_iter([(HeaderName::from_static(name), "1".parse().unwrap())]);
            let told = Told::of(&headers);
            let found: Vec<usize> =
                (0..Field::COUNT).filter(|other| told.has(fields[*other])).collect();
            assert_eq!(found, [place], "{name}");
        }
        for name in
            ["host", "x-", "x-original", "x-original-urls", "original-url", "x_original_url"]
        {
            assert_eq!(Field::of(name), None, "{name}");
        }
    }

    #[test]
    fn what_is_told_twice_or_with_nothing_is_not_told() {
        let mut headers = HeaderMap::new();
        headers.append("x-original-url", "http://app.test/".parse().unwrap());
        assert!(Told::of(&headers).field(Field::OriginalUrl).is_ok());
        headers.append("x-original-url", "http://app.test/".parse().unwrap());
        let told = Told::of(&headers);
        assert_eq!(told.field(Field::OriginalUrl), Err(Reason::ForwardedMixed));
        assert_eq!(told.field(Field::OriginalMethod), Err(Reason::ForwardedIncomplete));
        headers.insert("x-original-url", "".parse().unwrap());
        let told = Told::of(&headers);
        assert_eq!(told.field(Field::OriginalUrl), Err(Reason::ForwardedIncomplete));
        assert!(told.has_none_of(&[Field::RewriteUrl, Field::OriginalUrl]).is_err());
    }
}
