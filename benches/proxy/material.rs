//! Keys and tokens, made anew for each run; tokens with no code of sidegate's own.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, anyhow};
use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{self, EcdsaKeyPair, KeyPair, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use sidegate::base::scheme::Scheme;
use sidegate::base::secret::Secret;
use sidegate::base::time::Timestamp;
use sidegate::session::{CookieSpec, Scope, SealingKeys, Session, SessionId, Ticket, Tokens};
use sidegate::token::Claims;

/// `iss` of every token.
pub(crate) const ISSUER: &str = "https://idp.example";
/// `aud` of every token.
pub(crate) const AUDIENCE: &str = "app";

/// How many distinct RS256 tokens there are: more than one connection or a tiny cache remembers.
const DISTINCT: usize = 2_000;
pub(crate) const LIFETIME: Duration = Duration::from_secs(7 * 24 * 3600);

/// What tokens are made of, and the files that servers and load read.
pub(crate) struct Material {
    es256: EcdsaKeyPair,
    random: SystemRandom,
    issued: u64,
    /// One RS256 token.
    pub(crate) token: String,
    /// What sessions are sealed with, as configurations have it.
    pub(crate) session_key: String,
    /// One sealed session of a browser that came by plain http to 127.0.0.1.
    pub(crate) session: String,
    /// The ticket of the same session, where it is in a store.
    pub(crate) ticket: String,
    sealing: [u8; 32],
    /// Both public keys as a key set.
    pub(crate) key_set: PathBuf,
    /// The RS256 public key as PEM, for HAProxy.
    pub(crate) public_pem: PathBuf,
    /// The distinct RS256 tokens, one in each line.
    pub(crate) tokens: PathBuf,
}

impl Material {
    /// Makes keys and tokens; files go to `folder`.
    pub(crate) fn make(folder: &Path) -> Result<Self> {
        let rs256 = RsaKeyPair::generate(KeySize::Rsa2048)
            .map_err(|_| anyhow!("no RSA key could be made"))?;
        let es256 = EcdsaKeyPair::generate(&signature::ECDSA_P256_SHA256_FIXED_SIGNING)
            .map_err(|_| anyhow!("no P-256 key could be made"))?;
        let random = SystemRandom::new();
        let mut session_key = [0; 32];
        aws_lc_rs::rand::fill(&mut session_key).map_err(|_| anyhow!("no randomness"))?;
        let issued = seconds_since_epoch()?;
        let mut tokens = String::new();
        for user in 0..DISTINCT {
            writeln!(tokens, "{}", rs256_token(&rs256, &random, user as u64, issued)?)?;
        }
        Ok(Self {
            token: rs256_token(&rs256, &random, 1, issued)?,
            session: session(issued).seal(
                &SealingKeys::new(&[Secret::new(session_key)])?,
                &Self::session_cookie()?,
                "127.0.0.1",
                [9; 12],
            ),
            ticket: Self::ticket().seal(
                &SealingKeys::new(&[Secret::new(session_key)])?,
                &Self::session_cookie()?,
                "127.0.0.1",
                [8; 12],
            ),
            sealing: session_key,
            session_key: URL_SAFE_NO_PAD.encode(session_key),
            key_set: write(folder, "jwks.json", &key_set(&rs256, &es256).to_string())?,
            public_pem: write(folder, "rs256.pub.pem", &public_pem(&rs256)?)?,
            tokens: write(folder, "rs256.tokens", &tokens)?,
            es256,
            random,
            issued,
        })
    }

    /// What sessions are sealed with.
    pub(crate) fn sealing_keys(&self) -> Result<SealingKeys> {
        Ok(SealingKeys::new(&[Secret::new(self.sealing)])?)
    }

    /// The cookie of sessions on plain http.
    pub(crate) fn session_cookie() -> Result<CookieSpec> {
        Ok(CookieSpec::session("sidegate", Scope::Host, Scheme::Http)?)
    }

    /// The session of the browser.
    pub(crate) fn session(&self) -> Session {
        session(self.issued)
    }

    /// What leads to it in a store.
    pub(crate) fn ticket() -> Ticket {
        Ticket { id: SessionId::from_bytes([7; 16]), key: Secret::new([5; 32]) }
    }

    /// An ES256 token of its own for `user`.
    pub(crate) fn es256_token(&self, user: u64) -> Result<String> {
        let mut token = unsigned("ES256", "es256", user, self.issued);
        let signature = self
            .es256
            .sign(&self.random, token.as_bytes())
            .map_err(|_| anyhow!("ES256 does not sign"))?;
        append(&mut token, signature.as_ref());
        Ok(token)
    }
}

/// A session with the claims of the tokens, used just now: for five minutes no round has to write it anew. Nobody else can seal
/// one.
fn session(issued: u64) -> Session {
    let now = Timestamp::from_secs(issued);
    let claims = json!({
        "sub": "user-1", "email": "jane@example.com", "groups": ["eng", "ops"], "auth_time": issued,
    });
    let claims = Claims::from(claims.as_object().cloned().unwrap_or_default());
    Session {
        id: SessionId::from_bytes([7; 16]),
        provider: "default".into(),
        client: "web".into(),
        issuer: ISSUER.into(),
        subject: "user-1".into(),
        sid: Some("provider-session".into()),
        claims,
        started: now,
        idle_until: now + LIFETIME,
        ends: now + 4 * LIFETIME,
        renewal: None,
        persistent: false,
        tokens: Tokens::default(),
        renewals: 0,
    }
}

fn rs256_token(key: &RsaKeyPair, random: &SystemRandom, user: u64, issued: u64) -> Result<String> {
    let mut token = unsigned("RS256", "rs256", user, issued);
    let mut signature = vec![0; key.public_modulus_len()];
    key.sign(&signature::RSA_PKCS1_SHA256, random, token.as_bytes(), &mut signature)
        .map_err(|_| anyhow!("RS256 does not sign"))?;
    append(&mut token, &signature);
    Ok(token)
}

/// Header and claims of a typical access token: 643 bytes once signed with RS256.
fn unsigned(algorithm: &str, kid: &str, user: u64, issued: u64) -> String {
    let header = json!({ "alg": algorithm, "kid": kid, "typ": "JWT" });
    let claims = json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": format!("user-{user}"), "azp": "web",
        "email": "jane@example.com", "groups": ["eng", "ops"], "scope": "openid email profile",
        "iat": issued, "exp": issued + LIFETIME.as_secs(),
    });
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}", encode(&header), encode(&claims))
}

fn append(token: &mut String, signature: &[u8]) {
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, token);
}

fn key_set(rs256: &RsaKeyPair, es256: &EcdsaKeyPair) -> Value {
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let rsa = rs256.public_key();
    // An uncompressed point is one byte of kind, then x and y of equal length (SEC 1 §2.3.3).
    let (x, y) = es256.public_key().as_ref()[1..].split_at(32);
    json!({ "keys": [
        { "kty": "RSA", "kid": "rs256", "alg": "RS256", "use": "sig",
          "n": encode(rsa.modulus().big_endian_without_leading_zero()),
          "e": encode(rsa.exponent().big_endian_without_leading_zero()) },
        { "kty": "EC", "kid": "es256", "alg": "ES256", "use": "sig", "crv": "P-256", "x": encode(x), "y": encode(y) },
    ]})
}

fn public_pem(key: &RsaKeyPair) -> Result<String> {
    let der: PublicKeyX509Der<'_> =
        key.public_key().as_der().map_err(|_| anyhow!("the RSA key has no DER form"))?;
    let mut pem = String::from("-----BEGIN PUBLIC KEY-----\n");
    for line in STANDARD.encode(der.as_ref()).as_bytes().chunks(64) {
        writeln!(pem, "{}", String::from_utf8_lossy(line))?;
    }
    pem.push_str("-----END PUBLIC KEY-----\n");
    Ok(pem)
}

fn write(folder: &Path, name: &str, text: &str) -> Result<PathBuf> {
    let path = folder.join(name);
    std::fs::write(&path, text)
        .with_context(|| format!("{} could not be written", path.display()))?;
    Ok(path)
}

#[expect(clippy::disallowed_methods, reason = "tokens are issued now")]
fn seconds_since_epoch() -> Result<u64> {
    Ok(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs())
}
