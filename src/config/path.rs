//! Where in a configuration something is said: `routes[3].require.groups_any`.

use std::fmt;

use serde_json::Value;

/// The way from the top of the file to one value. The empty path is the file itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct KeyPath(Vec<Step>);

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Step {
    Index(usize),
    Key(String),
}

impl KeyPath {
    /// The top of the file.
    pub(crate) const fn root() -> Self {
        Self(Vec::new())
    }

    /// The value of `name` in the mapping that is here.
    pub(crate) fn key(&self, name: &str) -> Self {
        self.with(Step::Key(name.to_owned()))
    }

    /// Item `index`, counted from zero, of the list that is here.
    pub(crate) fn index(&self, index: usize) -> Self {
        self.with(Step::Index(index))
    }

    /// What contains this; nothing for the top of the file.
    pub(crate) fn parent(&self) -> Option<Self> {
        let (_, above) = self.0.split_last()?;
        Some(Self(above.to_vec()))
    }

    /// Whether this is the top of the file.
    pub(crate) const fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this is `other`, or somewhere in it.
    pub(crate) fn is_within(&self, other: &Self) -> bool {
        self.0.starts_with(&other.0)
    }

    /// The keys on the way, from the top of the file on; items of lists are left out.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(Step::name)
    }

    /// This, or the nearest around it that is the value of a key: what contains it, and that key.
    pub(crate) fn nearest_key(&self) -> Option<(Self, &str)> {
        let last = self.0.iter().rposition(|step| step.name().is_some())?;
        Some((Self(self.0[..last].to_vec()), self.0[last].name()?))
    }

    /// What is here in `file`.
    pub(crate) fn find<'v>(&self, file: &'v mut Value) -> Option<&'v mut Value> {
        self.0.iter().try_fold(file, |value, step| match step {
            Step::Index(index) => value.get_mut(*index),
            Step::Key(name) => value.get_mut(name.as_str()),
        })
    }

    /// The same place once all that is at `from` has gone to `to`.
    pub(crate) fn moved(&self, from: &Self, to: &Self) -> Option<Self> {
        let below = self.0.strip_prefix(from.0.as_slice())?;
        Some(Self([to.0.as_slice(), below].concat()))
    }

    fn with(&self, step: Step) -> Self {
        let mut steps = self.0.clone();
        steps.push(step);
        Self(steps)
    }
}

impl Step {
    fn name(&self) -> Option<&str> {
        match self {
            Self::Index(_) => None,
            Self::Key(name) => Some(name),
        }
    }
}

impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, step) in self.0.iter().enumerate() {
            match step {
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Key(name) => write_key(f, name, position)?,
            }
        }
        Ok(())
    }
}

fn write_key(f: &mut fmt::Formatter<'_>, name: &str, position: usize) -> fmt::Result {
    if position > 0 {
        f.write_str(".")?;
    }
    if is_plain(name) { f.write_str(name) } else { write!(f, "{name:?}") }
}

fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_reads_as_it_would_be_typed() {
        let path = KeyPath::root().key("routes").index(3).key("require").key("groups_any");
        assert_eq!(path.to_string(), "routes[3].require.groups_any");
        assert_eq!(KeyPath::root().to_string(), "");
    }

    #[test]
    fn a_name_that_could_be_mistaken_for_structure_is_quoted() {
        let path = KeyPath::root().key("claims").key("https://example.com/roles");
        assert_eq!(path.to_string(), "claims.\"https://example.com/roles\"");
    }

    #[test]
    fn parents_end_at_the_top() {
        let path = KeyPath::root().key("a").index(0);
        assert_eq!(path.parent(), Some(KeyPath::root().key("a")));
        assert_eq!(KeyPath::root().parent(), None);
    }
}
