//! As much of HTML as pages of tests have: the first form, and what goes on by itself.

use regex::Regex;

/// A form.
#[derive(Debug)]
pub(crate) struct Form {
    pub(crate) action: String,
    /// The fields with a value.
    pub(crate) fields: Vec<(String, String)>,
}

/// The first form of `page`.
pub(crate) fn form(page: &str) -> Option<Form> {
    let start = page.find("<form")?;
    let end = page[start..].find("</form").map_or(page.len(), |length| start + length);
    let (tag, _) = page[start..end].split_once('>')?;
    let action = attribute(tag, "action").unwrap_or_default();
    let inputs = Regex::new("<(?:input|button)[^>]*>").unwrap();
    let fields = inputs.find_iter(&page[start..end]).filter_map(|input| {
        Some((attribute(input.as_str(), "name")?, attribute(input.as_str(), "value")?))
    });
    Some(Form { action, fields: fields.collect() })
}

/// Whether a script posts the first form.
pub(crate) fn posts_itself(page: &str) -> bool {
    page.contains("document.forms[0].submit()") || page.contains("onload=\"document.forms")
}

/// Where a script or a refresh leads.
pub(crate) fn goes_on_to(page: &str) -> Option<String> {
    let script = Regex::new(r#"location\.replace\(\s*["']([^"']+)["']"#).unwrap();
    let refresh = Regex::new(r#"http-equiv="?refresh"?[^>]*url=([^">]+)"#).unwrap();
    let found = script.captures(page).or_else(|| refresh.captures(page))?;
    Some(decoded(&found[1]).replace("\\u0026", "&").replace("\\/", "/"))
}

/// The value of the attribute called `name` in `tag`, which quotes with `"`.
fn attribute(tag: &str, name: &str) -> Option<String> {
    let quoted = Regex::new(&format!(r#"\s{name}="([^"]*)""#)).unwrap();
    quoted.captures(tag).map(|found| decoded(&found[1]))
}

fn decoded(text: &str) -> String {
    let numbers = Regex::new("&#(x?)([0-9a-fA-F]+);").unwrap();
    let text = numbers.replace_all(text, |found: &regex::Captures<'_>| {
        let radix = if found[1].is_empty() { 10 } else { 16 };
        u32::from_str_radix(&found[2], radix)
            .ok()
            .and_then(char::from_u32)
            .map(String::from)
            .unwrap()
    });
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&")
}
