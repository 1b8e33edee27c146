//! Which claims sessions keep: those that some route asks for, so that cookies stay small.

use std::collections::BTreeSet;

use crate::gate::{
    AUTHGEAR_CLAIMS, Access, Compatible, HeaderSource, PHONE_VERIFIED, Provider, Route, Rule,
    authgear_claim_path,
};
use crate::identity::{ClaimMap, ClaimPath, ClaimPaths};
use crate::session::Keep;

/// What the routes ask of sessions begun at `providers`.
pub(super) fn compile<'a>(
    routes: impl Iterator<Item = &'a Route> + Clone,
    providers: &[Provider],
    compatible: Compatible,
) -> Keep {
    let mut keep = Keep::default();
    for provider in providers.iter().filter(|provider| provider.relying_party.is_some()) {
        let claims = &provider.claims;
        // For `/.auth/session`, whose reader wants to greet somebody, and for every header of the user.
        for path in [&claims.user, &claims.name, &claims.email, &claims.preferred_username] {
            all(&mut keep, path);
        }
        // For `userinfo`, and for the answers of the resolver.
        if compatible.oauth2_proxy {
            all(&mut keep, &claims.groups);
        }
        if compatible.authgear {
            all(&mut keep, &claims.roles);
            whole(&mut keep, &ClaimPath::Name(PHONE_VERIFIED.to_owned()));
            let said = AUTHGEAR_CLAIMS.map(authgear_claim_path);
            said.iter().for_each(|path| whole(&mut keep, path));
        }
        for route in routes.clone().filter(|route| route.access != Access::Public) {
            headers(&mut keep, route, claims);
            rule(&mut keep, &route.rule, claims);
        }
    }
    keep
}

fn all(keep: &mut Keep, paths: &ClaimPaths) {
    paths.iter().for_each(|path| whole(keep, path));
}

fn whole(keep: &mut Keep, path: &ClaimPath) {
    if !keep.paths.contains(path) {
        keep.paths.push(path.clone());
    }
}

/// What headers and assertions tell, they tell whole.
fn headers(keep: &mut Keep, route: &Route, claims: &ClaimMap) {
    for (_, source) in &route.headers.fields {
        match source {
            HeaderSource::Claim(path) => whole(keep, path),
            HeaderSource::Groups => all(keep, &claims.groups),
            HeaderSource::Roles => all(keep, &claims.roles),
            HeaderSource::Scopes => all(keep, &claims.scopes),
            // Kept always, or no claims.
            HeaderSource::AuthenticatedAt
            | HeaderSource::ContextClass
            | HeaderSource::Email
            | HeaderSource::Expires
            | HeaderSource::Issuer
            | HeaderSource::Methods
            | HeaderSource::Name
            | HeaderSource::PreferredUsername
            | HeaderSource::True
            | HeaderSource::User => {}
        }
    }
    if route.assertion.is_some() {
        all(keep, &claims.groups);
        all(keep, &claims.roles);
    }
}

/// Of lists, rules need only the values that they name.
fn rule(keep: &mut Keep, rule: &Rule, claims: &ClaimMap) {
    for (paths, lists) in [
        (&claims.groups, [&rule.groups_any, &rule.groups_all]),
        (&claims.roles, [&rule.roles_any, &rule.roles_all]),
        (&claims.scopes, [&rule.scopes_any, &rule.scopes_all]),
    ] {
        let values: BTreeSet<String> = lists.into_iter().flatten().cloned().collect();
        for path in paths.iter().filter(|_| !values.is_empty()) {
            some(keep, path, values.clone());
        }
    }
    rule.claims.iter().for_each(|(path, _)| whole(keep, path));
}

fn some(keep: &mut Keep, path: &ClaimPath, values: BTreeSet<String>) {
    match keep.values.iter_mut().find(|(known, _)| known == path) {
        Some((_, known)) => known.extend(values),
        None => keep.values.push((path.clone(), values)),
    }
}
