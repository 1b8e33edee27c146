//! What random names stand for, each for a time: sessions, codes, tokens. In memory, within a bound.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::base::time::Timestamp;
use crate::token::SigningError;

/// The most entries of one book. The one that ends first makes room.
const MAX_ENTRIES: usize = 1000;

/// Values under names that nobody can guess. The names are secrets.
pub(super) struct Book<T>(HashMap<String, Entry<T>>);

struct Entry<T> {
    ends: Timestamp,
    value: T,
}

/// 128 random bits as text.
///
/// # Errors
/// [`SigningError::Library`] if there is no randomness to be had.
pub(super) fn random_name() -> Result<String, SigningError> {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| SigningError::Library)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

impl<T> Book<T> {
    /// Nothing yet.
    pub(super) fn new() -> Self {
        Self(HashMap::new())
    }

    /// Enters `value` for the time of `life`; the answer is its name.
    pub(super) fn enter(
        &mut self,
        value: T,
        life: Duration,
        now: Timestamp,
    ) -> Result<String, SigningError> {
        let name = random_name()?;
        self.make_room(now);
        self.0.insert(name.clone(), Entry { ends: now + life, value });
        Ok(name)
    }

    /// What `name` stands for.
    pub(super) fn find(&self, name: &str, now: Timestamp) -> Option<&T> {
        self.0.get(name).filter(|entry| now < entry.ends).map(|entry| &entry.value)
    }

    /// The same, to be changed.
    pub(super) fn find_mut(&mut self, name: &str, now: Timestamp) -> Option<&mut T> {
        self.0.get_mut(name).filter(|entry| now < entry.ends).map(|entry| &mut entry.value)
    }

    /// All values, whether ended or not, to be changed.
    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.0.values_mut().map(|entry| &mut entry.value)
    }

    /// Strikes `name` out.
    pub(super) fn take(&mut self, name: &str, now: Timestamp) -> Option<T> {
        self.0.remove(name).filter(|entry| now < entry.ends).map(|entry| entry.value)
    }

    /// Strikes out what `found` says yes to.
    pub(super) fn strike(&mut self, found: impl Fn(&T) -> bool) {
        self.0.retain(|_, entry| !found(&entry.value));
    }

    fn make_room(&mut self, now: Timestamp) {
        if self.0.len() < MAX_ENTRIES {
            return;
        }
        self.0.retain(|_, entry| now < entry.ends);
        if self.0.len() < MAX_ENTRIES {
            return;
        }
        let first = self.0.iter().min_by_key(|(_, entry)| entry.ends).map(|(name, _)| name.clone());
        first.and_then(|name| self.0.remove(&name));
    }
}

/// Says how many there are, and no name.
impl<T> fmt::Debug for Book<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Book({} entries)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFE: Duration = Duration::from_secs(60);

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_secs(seconds)
    }

    #[test]
    fn an_entry_is_there_until_it_ends_and_taken_once() {
        let mut book = Book::new();
        let name = book.enter("value", LIFE, at(0)).unwrap();
        assert_eq!((book.find(&name, at(59)), book.find(&name, at(60))), (Some(&"value"), None));
        assert_eq!((book.take(&name, at(1)), book.take(&name, at(1))), (Some("value"), None));
    }

    #[test]
    fn a_full_book_forgets_what_ends_first() {
        let mut book = Book::new();
        let first = book.enter(0, LIFE, at(0)).unwrap();
        for number in 1..=MAX_ENTRIES {
            book.enter(number, LIFE * 2, at(0)).unwrap();
        }
        assert_eq!(book.find(&first, at(1)), None);
        assert_eq!(book.0.len(), MAX_ENTRIES);
    }

    #[test]
    fn debug_text_has_no_name() {
        let mut book = Book::new();
        let name = book.enter((), LIFE, at(0)).unwrap();
        assert!(!format!("{book:?}").contains(&name));
    }
}
