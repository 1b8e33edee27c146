//! The layering rule: a module names only modules of lower rank, the core is pure, and a library is named in one place.

use crate::files::{self, File, Findings};

/// Module and rank. A module may name modules of lower rank, and itself. ARCHITECTURE.md has the same table in words.
const RANKS: &[(&str, u8)] = &[
    ("base", 0),
    ("token", 1),
    ("identity", 2),
    ("session", 3),
    ("oidc", 3),
    ("gate", 4),
    ("clock", 5),
    ("telemetry", 5),
    ("remote", 6),
    ("serve", 7),
    ("config", 8),
    ("demo", 8),
    ("cli", 9),
    ("lib", 9),
    ("main", 9),
];

/// The highest rank that is pure.
const PURE: u8 = 4;

/// What does IO, waits, or reads the surroundings.
const IMPURE: &[&str] = &[
    ".await",
    "Instant",
    "SystemTime",
    "async",
    "pingora",
    "redis",
    "reqwest",
    "std::env",
    "std::fs",
    "std::net::Tcp",
    "std::net::Udp",
    "std::process",
    "thread_rng",
    "tokio",
    "tracing",
];

/// Libraries, and the paths under which they may be named.
const NAMED_IN: &[(&str, &[&str])] = &[
    ("anyhow", &["src/cli/"]),
    ("clap", &["src/cli/"]),
    ("envoy_types", &["src/serve/ext_authz/"]),
    ("hyper", &["src/serve/ext_authz/"]),
    ("hyper_util", &["src/serve/ext_authz/"]),
    ("jsonwebtoken", &["src/token/signature"]),
    ("minijinja", &["src/cli/snippet/", "src/demo/", "src/serve/pages/"]),
    ("moka", &["src/remote/", "src/serve/callers"]),
    ("pingora", &["src/demo/", "src/serve", "src/telemetry/log.rs"]),
    ("prometheus", &["src/telemetry/"]),
    ("redis", &["src/remote/sessions/"]),
    ("regex", &["src/gate/route"]),
    ("reqwest", &["src/remote", "src/telemetry/log.rs"]),
    ("saphyr_parser", &["src/config/"]),
    ("schemars", &["src/config/"]),
    ("serde_yaml", &["src/config/", "src/demo/addresses.rs"]),
    ("tonic", &["src/serve/ext_authz/"]),
    ("x509_parser", &["src/serve/tls"]),
];

fn sources() -> Vec<File> {
    files::below("src", "rs")
}

fn rank(module: &str) -> Option<u8> {
    RANKS.iter().find(|(name, _)| *name == module).map(|(_, rank)| *rank)
}

#[test]
fn every_module_has_a_rank() {
    let mut findings = Findings::default();
    for file in sources() {
        if file.module().and_then(rank).is_none() {
            findings.add(&file.path, "is of a module that the layering rule does not know");
        }
    }
    findings.expect_none();
}

#[test]
fn modules_depend_downwards() {
    let mut findings = Findings::default();
    for file in sources() {
        let module = file.module().unwrap();
        for (number, line) in file.code() {
            for target in named_modules(line).into_iter().filter(|target| *target != module) {
                if rank(target) >= rank(module) {
                    findings.add_at(
                        &file.path,
                        number,
                        &format!("`{module}` may not name `{target}`"),
                    );
                }
            }
        }
    }
    findings.expect_none();
}

/// Rank alone would let `demo` name `config`, and whatever comes above it later.
#[test]
fn only_the_command_line_names_the_configuration() {
    let mut findings = Findings::default();
    for file in sources() {
        let may = ["config", "cli", "main", "lib"].contains(&file.module().unwrap());
        for (number, line) in file.code().filter(|_| !may) {
            if named_modules(line).contains(&"config") {
                findings.add_at(
                    &file.path,
                    number,
                    "take typed settings instead of naming `config`",
                );
            }
        }
    }
    findings.expect_none();
}

/// The modules behind each `crate::` in `line`.
fn named_modules(line: &str) -> Vec<&str> {
    let targets = line.split("crate::").skip(1);
    let word =
        |rest: &str| rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
    targets.map(|rest| &rest[..word(rest)]).filter(|target| !target.is_empty()).collect()
}

/// Braces would hide names from the rule above.
#[test]
fn every_use_of_our_own_names_one_module() {
    let mut findings = Findings::default();
    for file in files::rust() {
        for (number, line) in file.code() {
            if line.contains(concat!("crate", "::{")) {
                findings.add_at(
                    &file.path,
                    number,
                    "write one `use crate::module` line per module",
                );
            }
        }
    }
    findings.expect_none();
}

/// `super::super` from a shallow file is `crate` in disguise.
#[test]
fn no_module_climbs_out_of_itself() {
    let mut findings = Findings::default();
    for file in sources() {
        let mut depth = depth(&file.path);
        for (number, line) in file.code() {
            if line.starts_with("mod ") && line.ends_with('{') {
                depth += 1;
            }
            if depth > 0 && line.contains(&"super::".repeat(depth)) {
                findings.add_at(
                    &file.path,
                    number,
                    "`super` leads out of the module: write `crate::`",
                );
            }
        }
    }
    findings.expect_none();
}

/// How many modules deep the code of a file stands: `src/token/jwk.rs` is `crate::token::jwk`, two deep.
fn depth(path: &str) -> usize {
    let inside = path.strip_prefix("src/").unwrap();
    let inside = inside.strip_suffix("/mod.rs").or_else(|| inside.strip_suffix(".rs")).unwrap();
    if matches!(inside, "lib" | "main") { 0 } else { inside.split('/').count() }
}

#[test]
fn the_core_is_pure() {
    let mut findings = Findings::default();
    let pure = |file: &&File| file.module().and_then(rank).is_some_and(|rank| rank <= PURE);
    for file in sources().iter().filter(pure) {
        for (number, line) in file.code() {
            for word in IMPURE.iter().filter(|word| has_word(line, word)) {
                findings.add_at(
                    &file.path,
                    number,
                    &format!("`{word}` has no place in the pure core"),
                );
            }
        }
    }
    findings.expect_none();
}

#[test]
fn libraries_are_named_where_they_belong() {
    let mut findings = Findings::default();
    for file in sources() {
        for (library, places) in NAMED_IN {
            if places.iter().any(|place| file.path.starts_with(place)) {
                continue;
            }
            let path = format!("{library}::");
            for (number, line) in file.code().filter(|(_, line)| has_word(line, &path)) {
                let what = format!("`{library}` belongs in {}: {line}", places.join(", "));
                findings.add_at(&file.path, number, &what);
            }
        }
    }
    findings.expect_none();
}

/// Whether `word` stands in `line` with no letter, digit or `_` beside it.
fn has_word(line: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(start, _)| {
        let before = line[..start].chars().next_back();
        let after = line[start + word.len()..].chars().next();
        let starts_plain = !word.starts_with(is_part) || !before.is_some_and(is_part);
        let ends_open = ["::", "Tcp", "Udp"].iter().any(|end| word.ends_with(end));
        starts_plain && (ends_open || !after.is_some_and(is_part))
    })
}

#[test]
fn words_are_found_whole() {
    assert!(has_word("let x = y.await;", ".await"));
    assert!(has_word("use std::net::TcpStream;", "std::net::Tcp"));
    assert!(has_word("async fn x()", "async"));
    assert!(has_word("use regex::bytes::Regex;", "regex::"));
    assert!(!has_word("let regex = 1;", "regex::"));
    assert!(!has_word("is_async(x)", "async"));
    assert!(!has_word("Instantly", "Instant"));
    assert_eq!(named_modules("use crate::gate::{A, B}; crate::token::C"), ["gate", "token"]);
    assert_eq!(
        (depth("src/gate/mod.rs"), depth("src/token/jwk/tests.rs"), depth("src/lib.rs")),
        (1, 3, 0)
    );
}
