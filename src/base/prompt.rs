//! What a provider may be told about asking the person
//! (`prompt`, [OpenID Connect Core §3.1.2.1](https://openid.net/specs/openid-connect-core-1_0.html#AuthRequest)).

/// What the provider is to ask of the person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prompt {
    /// To give consent.
    Consent,
    /// To sign in again.
    Login,
    /// Nothing: an error comes back if that does not do.
    None,
    /// To choose an account.
    SelectAccount,
}

impl Prompt {
    /// The value of the parameter.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Consent => "consent",
            Self::Login => "login",
            Self::None => "none",
            Self::SelectAccount => "select_account",
        }
    }

    /// The prompt of that exact name.
    pub fn parse(name: &str) -> Option<Self> {
        let all = [Self::Consent, Self::Login, Self::None, Self::SelectAccount];
        all.into_iter().find(|prompt| prompt.name() == name)
    }
}
