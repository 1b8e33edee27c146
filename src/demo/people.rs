//! The people who can sign in to the demo. Their one password is no secret, nor is the code: the sign-in page shows both.

/// The password of everybody.
pub(super) const PASSWORD: &str = "demo";

/// The code of everybody's second factor, which a real one would change every half minute.
pub(super) const CODE: &str = "246810";

/// Somebody who can sign in.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Person {
    /// The subject of the tokens.
    pub(super) id: &'static str,
    pub(super) name: &'static str,
    pub(super) email: &'static str,
    pub(super) groups: &'static [&'static str],
}

/// Everybody, in the order of the sign-in page.
pub(super) const EVERYBODY: &[Person] = &[
    Person {
        id: "ada",
        name: "Ada Lovelace",
        email: "ada@example.com",
        groups: &["admin", "staff"],
    },
    Person { id: "bob", name: "Bob Marsh", email: "bob@example.com", groups: &["staff"] },
];

/// The person called `id`.
pub(super) fn find(id: &str) -> Option<&'static Person> {
    EVERYBODY.iter().find(|person| person.id == id)
}

/// The person called `id`, if `password` is theirs.
pub(super) fn sign_in(id: &str, password: &str) -> Option<&'static Person> {
    find(id).filter(|_| password == PASSWORD)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_people_with_the_right_password_sign_in() {
        assert_eq!(sign_in("ada", "demo").unwrap().name, "Ada Lovelace");
        assert_eq!(sign_in("ada", "Demo"), None);
        assert_eq!(sign_in("eve", "demo"), None);
    }
}
