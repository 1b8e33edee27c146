//! What a session in its cookie costs: to read the field, open the seal, decode the session, and to write it again.

use std::hint::black_box;

use divan::{AllocProfiler, Bencher};
use http::header::{self, HeaderMap};
use sidegate::base::scheme::Scheme;
use sidegate::base::secret::Secret;
use sidegate::base::time::Timestamp;
use sidegate::session::{
    CookieSpec, Limits, Purpose, RevocationSet, Revoked, Scope, SealingKeys, Session, SessionId,
    Tokens,
};
use sidegate::token::Claims;

#[global_allocator]
static ALLOCATIONS: AllocProfiler<mimalloc::MiMalloc> = AllocProfiler::new(mimalloc::MiMalloc);

const HOST: &str = "app.example.com";
const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

fn main() {
    divan::main();
}

struct World {
    keys: SealingKeys,
    spec: CookieSpec,
    session: Session,
    sealed: String,
    headers: HeaderMap,
}

impl World {
    /// A session whose cookie is as long as they get without hundreds of groups: about one kilobyte.
    #[expect(clippy::unwrap_used, reason = "a bench that cannot begin has nothing to measure")]
    fn new() -> Self {
        let secret = std::array::from_fn(|index| u8::try_from(index).unwrap());
        let keys = SealingKeys::new(&[Secret::new(secret)]).unwrap();
        let spec = CookieSpec::session("sidegate", Scope::Host, Scheme::Https).unwrap();
        let session = session();
        let sealed = session.seal(&keys, &spec, HOST, [7; 12]);
        let field = format!("theme=dark; _ga=GA1.2.3; {}={sealed}; lang=en", spec.name());
        let headers = HeaderMap::from_iter([(header::COOKIE, field.parse().unwrap())]);
        Self { keys, spec, session, sealed, headers }
    }
}

#[expect(clippy::unwrap_used, reason = "a bench that cannot begin has nothing to measure")]
fn session() -> Session {
    let claims = r#"{"sub":"8d0a3a6e-36a4-4b6f-8d8c-3f6d9a0b1c2d","email":"ada.lovelace@example.com",
        "email_verified":true,"name":"Ada Lovelace","preferred_username":"ada","amr":["pwd","otp"],
        "auth_time":1700000000,"groups":["/departments/research/members","/departments/board/members"]}"#;
    let claims: serde_json::Map<_, _> = serde_json::from_str(claims).unwrap();
    let limits = Limits::default();
    Session {
        id: SessionId::from_bytes([9; 16]),
        provider: "corp".into(),
        client: "sidegate".into(),
        issuer: "https://login.example.com/realms/main".into(),
        subject: "8d0a3a6e-36a4-4b6f-8d8c-3f6d9a0b1c2d".into(),
        sid: Some("f3c8a1f0-5c0a-4d5e-9d7e-1f2a3b4c5d6e".into()),
        claims: Claims::from(claims),
        started: NOW,
        idle_until: NOW + limits.idle,
        ends: NOW + limits.absolute,
        renewal: None,
        persistent: false,
        tokens: Tokens { refresh: Some(Secret::new("r".repeat(200))), ..Tokens::default() },
        renewals: 0,
    }
}

/// The seal alone.
#[divan::bench]
fn open_seal(bencher: Bencher<'_, '_>) {
    let world = World::new();
    let context = world.spec.context(Purpose::Session, HOST);
    bencher.bench(|| world.keys.open(&context, black_box(&world.sealed)));
}

/// From the `Cookie` field to the session.
#[divan::bench]
fn open_session(bencher: Bencher<'_, '_>) {
    let world = World::new();
    bencher.bench(|| {
        let text = world.spec.read(black_box(&world.headers)).ok()??;
        Session::open(&world.keys, &world.spec, HOST, &text.value).ok()
    });
}

/// From the session to `Set-Cookie`.
#[divan::bench]
fn write_session(bencher: Bencher<'_, '_>) {
    let world = World::new();
    bencher.bench(|| {
        let sealed = black_box(&world.session).seal(&world.keys, &world.spec, HOST, [8; 12]);
        world.spec.write(&sealed, None, 1)
    });
}

#[divan::bench(args = [0, 10_000])]
fn look_for_revocation(bencher: Bencher<'_, '_>, ended: u64) {
    let world = World::new();
    let set = RevocationSet::new(100_000);
    for number in 0..ended {
        let issuer = world.session.issuer.clone();
        let what = Revoked::Sid { issuer, sid: number.to_string() };
        set.revoke(&what, NOW, Timestamp::FAR_FUTURE, NOW);
    }
    bencher.bench(|| set.is_revoked(black_box(&world.session), NOW));
}
