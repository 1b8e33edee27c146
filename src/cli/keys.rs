//! `sidegate keys`: makes keys from the operating system's randomness, and prints them where they can be redirected to a file.

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::ValueEnum;
use zeroize::Zeroizing;

use crate::cli::Failure;
use crate::cli::output::print;
use crate::token::SigningKey;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// What the key is for
    #[arg(value_enum, default_value_t = Purpose::Session)]
    purpose: Purpose,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Purpose {
    /// Signs assertions: a P-256 private key, PEM
    Assertion,
    /// Seals session cookies: 256 random bits, base64url
    Session,
}

pub(crate) fn main(arguments: &Arguments) -> Result<(), Failure> {
    let key = match arguments.purpose {
        Purpose::Assertion => Zeroizing::new(SigningKey::generate()?.to_pem()?.expose().clone()),
        Purpose::Session => session_key()?,
    };
    Ok(print(&format!("{}\n", key.trim_end()))?)
}

fn session_key() -> Result<Zeroizing<String>, Failure> {
    let mut bytes = Zeroizing::new([0; 32]);
    SystemRandom::new()
        .fill(&mut bytes[..])
        .map_err(|_| anyhow::anyhow!("the operating system gives no randomness"))?;
    Ok(Zeroizing::new(URL_SAFE_NO_PAD.encode(&bytes[..])))
}
