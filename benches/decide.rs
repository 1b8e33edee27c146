//! What a decision costs, in time and allocations: from a parsed request to what is to be done with it.
//!
//! No network, no proxy and no cache: `benches/proxy` has those. Every case checks once that it decides what its name says.

#[path = "decide/world.rs"]
mod world;

use std::hint::black_box;
use std::sync::Arc;

use divan::{AllocProfiler, Bencher};
use sidegate::base::time::Timestamp;
use sidegate::gate::{Caller, Decision, Examined, Facts, KeyRing, Policy, Step, examine, judge};

use world::{NOW, Request, Signer, World};

#[global_allocator]
static ALLOCATIONS: AllocProfiler<mimalloc::MiMalloc> = AllocProfiler::new(mimalloc::MiMalloc);

fn main() {
    divan::main();
}

/// The whole of the gate for one request, from the bytes of host and target on.
fn decide(
    policy: &Policy,
    keys: &KeyRing,
    request: &Request,
    caller: Option<&Arc<Caller>>,
) -> Decision {
    let authority = request.authority();
    match examine(policy, request.view(&authority)) {
        Examined::Decided { decision, .. } => decision,
        Examined::Open(inquiry) => {
            let mut facts = Facts::new(keys);
            facts.remember(caller.cloned());
            match judge(&inquiry, &facts, Timestamp::from_secs(NOW)) {
                Step::Decided { decision, .. } => decision,
                Step::Missing(question) => panic!("no case here needs other keys: {question:?}"),
            }
        }
    }
}

/// Measures `request`, by a caller who is known already if it is `known`.
fn measure(
    bencher: Bencher<'_, '_>,
    world: &World,
    request: &Request,
    known: Known,
    outcome: &str,
) {
    let first = decide(&world.policy, &world.keys, request, None);
    assert_eq!(first.outcome(), outcome, "{:?}", first.reason());
    let caller = match known {
        Known::Remembered => first.caller().cloned(),
        Known::Stranger => None,
    };
    bencher.bench(|| {
        decide(black_box(&world.policy), &world.keys, black_box(request), caller.as_ref())
    });
}

#[derive(Clone, Copy)]
enum Known {
    Remembered,
    Stranger,
}

#[divan::bench_group(sample_size = 200)]
mod remembered {
    use super::*;

    #[divan::bench]
    fn bearer(bencher: Bencher<'_, '_>) {
        let world = World::new(Signer::es256());
        let request = Request::get("/orders/17").bearer(&world.token());
        measure(bencher, &world, &request, Known::Remembered, "allow");
    }

    #[divan::bench]
    fn cookie(bencher: Bencher<'_, '_>) {
        let world = World::new(Signer::es256());
        let request = Request::get("/orders/17").cookies(&world.token());
        measure(bencher, &world, &request, Known::Remembered, "allow");
    }

    #[divan::bench]
    fn bearer_with_a_rule(bencher: Bencher<'_, '_>) {
        let world = World::new(Signer::es256());
        let request = Request::get("/admin/users").bearer(&world.token());
        measure(bencher, &world, &request, Known::Remembered, "allow");
    }
}

#[divan::bench_group(sample_size = 200)]
mod nobody {
    use super::*;

    #[divan::bench]
    fn public(bencher: Bencher<'_, '_>) {
        let world = World::new(Signer::es256());
        measure(bencher, &world, &Request::get("/public/app.js"), Known::Stranger, "allow");
    }

    #[divan::bench]
    fn challenged(bencher: Bencher<'_, '_>) {
        let world = World::new(Signer::es256());
        measure(bencher, &world, &Request::get("/orders/17"), Known::Stranger, "challenge");
    }

    #[divan::bench]
    fn led_to_sign_in(bencher: Bencher<'_, '_>) {
        let world = World::new(Signer::es256());
        let request = Request::get("/orders/17").navigating();
        measure(bencher, &world, &request, Known::Stranger, "sign_in");
    }
}

#[divan::bench_group(sample_size = 20)]
mod first_sight {
    use super::*;

    #[divan::bench]
    fn rs256(bencher: Bencher<'_, '_>) {
        let world = World::new(Signer::rs256());
        let request = Request::get("/orders/17").bearer(&world.token());
        measure(bencher, &world, &request, Known::Stranger, "allow");
    }

    #[divan::bench]
    fn es256(bencher: Bencher<'_, '_>) {
        let world = World::new(Signer::es256());
        let request = Request::get("/orders/17").bearer(&world.token());
        measure(bencher, &world, &request, Known::Stranger, "allow");
    }

    #[divan::bench]
    fn garbage(bencher: Bencher<'_, '_>) {
        let world = World::new(Signer::es256());
        let request = Request::get("/orders/17").bearer("e30.e30.e30");
        measure(bencher, &world, &request, Known::Stranger, "challenge");
    }
}

/// Remembered callers, the look-up among this many routes.
#[divan::bench_group(sample_size = 200)]
mod routes {
    use super::*;

    const COUNTS: [usize; 3] = [10, 1_000, 10_000];

    #[divan::bench(args = COUNTS)]
    fn exact(bencher: Bencher<'_, '_>, count: usize) {
        let world = World::new(Signer::es256()).routes(count, |n| (None, format!("/page/{n}")));
        let request = Request::get("/page/7").bearer(&world.token());
        measure(bencher, &world, &request, Known::Remembered, "allow");
    }

    #[divan::bench(args = COUNTS)]
    fn prefix(bencher: Bencher<'_, '_>, count: usize) {
        let world = World::new(Signer::es256()).routes(count, |n| (None, format!("/team/{n}/*")));
        let request = Request::get("/team/7/orders/17").bearer(&world.token());
        measure(bencher, &world, &request, Known::Remembered, "allow");
    }

    #[divan::bench(args = COUNTS)]
    fn hosts(bencher: Bencher<'_, '_>, count: usize) {
        let host = |n| (Some(format!("app{n}.example")), "/*".to_owned());
        let world = World::new(Signer::es256()).routes(count, host);
        let request = Request::get("/orders/17").host("app7.example").bearer(&world.token());
        measure(bencher, &world, &request, Known::Remembered, "allow");
    }

    /// Patterns are matched together; their number is not free.
    #[divan::bench(args = [10, 1_000])]
    fn pattern(bencher: Bencher<'_, '_>, count: usize) {
        let world =
            World::new(Signer::es256()).routes(count, |n| (None, format!("~ /p{n}/[0-9]+")));
        let request = Request::get("/p7/17").bearer(&world.token());
        measure(bencher, &world, &request, Known::Remembered, "allow");
    }
}

/// Paths that can be read in several ways; remembered callers.
#[divan::bench_group(sample_size = 20)]
mod odd_path {
    use super::*;

    #[divan::bench(args = ["/api/My%20Files/a.pdf", "/api/group%2Fname", "/.well-known/x", "/a//b;v=1/../c"])]
    fn passes(bencher: Bencher<'_, '_>, path: &str) {
        let world = World::new(Signer::es256());
        let request = Request::get(path).bearer(&world.token());
        measure(bencher, &world, &request, Known::Remembered, "allow");
    }

    #[divan::bench]
    fn leads_elsewhere(bencher: Bencher<'_, '_>) {
        let world = World::new(Signer::es256());
        measure(bencher, &world, &Request::get("/public/%2e%2e/admin"), Known::Stranger, "refuse");
    }

    /// The dearest that a client can send: many readings, all under one route, of a long target.
    #[divan::bench(args = [1_000, 4_000, 16_000], sample_size = 1)]
    fn attack(bencher: Bencher<'_, '_>, bytes: usize) {
        let world = World::new(Signer::es256());
        let piece = "%25252561/a;b//%2525252e\\x./";
        let request = Request::get(&format!("/{}", piece.repeat(bytes / piece.len())));
        bencher.bench(|| decide(&world.policy, &world.keys, black_box(&request), None));
    }
}
