//! All that belongs to signing in and out, put together.

use crate::base::secret::Secret as Hidden;
use crate::config::compile::sign_in::HomeHost;
use crate::config::compile::{Providers, keep, session, sign_in};
use crate::config::file::{File, SameSiteWord, SignIn, SignOut};
use crate::config::inputs::Inputs;
use crate::config::path::KeyPath;
use crate::config::problem::Report;
use crate::gate::{Dpop, Home, NonceRule, Policy, Provider, SessionPolicy, SignInFlow};
use crate::serve::settings::{ListenerSettings, PartySettings, SignInSettings, SignOutSettings};
use crate::token::NonceKey;

/// What was read, before it is known which routes there are.
pub(super) struct Desk {
    session: Option<session::Compiled>,
    sign_in: sign_in::SignIn,
    sign_out: SignOutSettings,
}

/// `None` where the report has a problem.
pub(super) fn compile(
    file: &File,
    providers: Option<&Providers>,
    listeners: &[ListenerSettings],
    inputs: &mut Inputs,
    report: &mut Report,
) -> Option<Desk> {
    let session = file.session.as_ref();
    let compiled = session.map(|written| session::compile(written, inputs, report));
    let plain = (SignIn::default(), SignOut::default());
    let written = file.sign_in.as_ref().unwrap_or(&plain.0);
    let sign_in = sign_in::compile(written, file, report);
    let sign_out = sign_in::sign_out(file.sign_out.as_ref().unwrap_or(&plain.1), report);
    if let Some(providers) = providers {
        check_use(file, providers, report);
        if let Some(home) = &sign_in.home {
            check_home(home, file, &providers.parties, report);
        }
        if let Some(written) = session.filter(|_| !providers.parties.is_empty()) {
            let both = (providers.providers.as_slice(), providers.parties.as_slice());
            session::check(written, file, listeners, both, report);
        }
    }
    let session = match compiled {
        Some(compiled) => Some(compiled?),
        None => None,
    };
    Some(Desk { session, sign_in, sign_out })
}

/// What nobody would look at.
fn check_use(file: &File, providers: &Providers, report: &mut Report) {
    if providers.providers.iter().any(|provider| provider.relying_party.is_some()) {
        return;
    }
    let root = KeyPath::root();
    let remedy = "add `client_id:` to a provider of type oidc without `login_url:`, or remove it";
    if file.session.is_some() {
        report.warn(&root.key("session"), "nobody signs in here: no provider has a client", remedy);
    }
    let says_more = file
        .sign_in
        .as_ref()
        .is_some_and(|sign_in| sign_in.return_hosts.is_some() || sign_in.host.is_some());
    for (key, is_written) in [("sign_in", says_more), ("sign_out", file.sign_out.is_some())] {
        if is_written {
            let message =
                "nobody signs in here: there is no `session:`, or no provider with a client";
            report.refuse(&root.key(key), message, "add both, or remove it");
        }
    }
}

/// What must fit the one host where people sign in.
fn check_home(home: &HomeHost, file: &File, parties: &[PartySettings], report: &mut Report) {
    let HomeHost { origin, host } = home;
    let root = KeyPath::root();
    let cookie = file.session.as_ref().map(|session| &session.cookie);
    let domain = cookie.and_then(|cookie| cookie.domain.as_ref());
    let outside = |domain: &&String| {
        let domain = domain.strip_prefix('.').unwrap_or(domain).to_ascii_lowercase();
        !(*host == domain || host.ends_with(&format!(".{domain}")))
    };
    if let Some(domain) = domain.filter(outside) {
        let message = format!("`{host}` is not in `{domain}`, the domain of the session's cookie");
        let remedy = format!("write a host in {domain}, or remove `domain`");
        report.refuse(&root.key("sign_in").key("host"), message, remedy);
    }
    if cookie.is_some_and(|cookie| cookie.same_site == SameSiteWord::Strict) && domain.is_none() {
        let message = "browsers do not show a session to the host where people sign in when another site leads there: everybody signs in anew for each host";
        report.warn(&root.key("session").key("cookie").key("same_site"), message, "remove it");
    }
    for party in parties.iter().filter(|party| party.flow == SignInFlow::Cookie) {
        let message = format!(
            "the provider `{}` leaves a cookie of its own (`response_type: none`), which cannot be handed from `{host}` to other hosts",
            party.name
        );
        let remedy = "remove `host`: with that cookie people are signed in on all hosts of its domain as it is";
        report.refuse(&root.key("sign_in").key("host"), message, remedy);
    }
    for party in parties {
        let elsewhere =
            |uri: &&String| !uri.strip_prefix(origin).is_some_and(|path| path.starts_with('/'));
        if let Some(uri) = party.redirect_uri.as_ref().filter(elsewhere) {
            let message = format!(
                "`redirect_uri` of the provider `{}` is `{uri}`, which is not at `{origin}`",
                party.name
            );
            let remedy = "remove `redirect_uri`: it follows from `sign_in.host`";
            report.refuse(&root.key("sign_in").key("host"), message, remedy);
        }
    }
}

impl Desk {
    /// Gives the policy what it must know of sessions, and everybody else the rest.
    pub(super) fn open(
        self,
        policy: &mut Policy,
        parties: Vec<PartySettings>,
    ) -> Option<SignInSettings> {
        if policy.providers.iter().any(wants_nonces) {
            policy.nonces = nonce_key(self.session.as_ref().map(|session| &session.first_key));
        }
        let session = self.session.filter(|_| !parties.is_empty())?;
        let apart = session.apart;
        let home = self.sign_in.home.map(|HomeHost { origin, host }| Home { origin, host, apart });
        policy.sessions = Some(SessionPolicy { home, ..session.policy });
        let routes = policy.routes.iter().map(|route| &**route);
        Some(SignInSettings {
            parties,
            store: session.store,
            revocations_file: session.revocations_file,
            keep: keep::compile(routes, &policy.providers, policy.compatible),
            persistent: session.persistent,
            return_hosts: self.sign_in.return_hosts,
            keeps_fragments: self.sign_in.keeps_fragments,
            sign_out: self.sign_out,
        })
    }
}

fn wants_nonces(provider: &Provider) -> bool {
    matches!(provider.dpop, Dpop::Accept(NonceRule::Demanded) | Dpop::Require(NonceRule::Demanded))
}

/// From the first key of sessions, which replicas share; without, one for this process.
fn nonce_key(shared: Option<&Hidden<[u8; 32]>>) -> Option<NonceKey> {
    if let Some(shared) = shared {
        return Some(NonceKey::new(shared));
    }
    let mut bytes = [0; 32];
    aws_lc_rs::rand::fill(&mut bytes).ok()?;
    Some(NonceKey::new(&Hidden::new(bytes)))
}
