//! One route: who may pass, what goes along, where to.

use std::sync::Arc;
use std::time::Duration;

use http::header::HeaderName;
use smallvec::SmallVec;

use crate::config::compile::identity::{Plans, Signer, Wishes};
use crate::config::compile::{preflight, providers, require, sign_in, times, words};
use crate::config::file::{Access as Written, CredentialWord, List, Route as WrittenRoute};
use crate::config::path::KeyPath;
use crate::config::problem::Report;
use crate::config::units::Size;
use crate::gate::{
    Access, AssertionSpec, Compatible, CredentialKind, CredentialKinds, HeaderSource, LoginUrl,
    Provider, ProviderId, Route, RouteId, SignInRule, UpstreamId,
};

/// What routes refer to.
pub(super) struct Surroundings<'a> {
    pub(super) upstreams: &'a [String],
    pub(super) provider_names: &'a [String],
    /// None where one of them did not compile.
    pub(super) providers: Option<&'a [Provider]>,
    pub(super) prefix: &'a str,
    pub(super) compatible: Compatible,
    pub(super) identity: &'a Wishes,
    pub(super) signer: &'a Signer,
    pub(super) max_body: Option<Size>,
    pub(super) timeout: Option<Duration>,
}

impl Surroundings<'_> {
    /// The provider of that id, where all are known.
    pub(super) fn provider(&self, id: ProviderId) -> Option<&Provider> {
        self.providers?.get(usize::from(id.0))
    }
}

/// One route on its way.
pub(super) struct Builder<'a> {
    pub(super) written: &'a WrittenRoute,
    pub(super) path: &'a KeyPath,
    pub(super) around: &'a Surroundings<'a>,
}

/// The report says why.
struct Refused;

/// What goes upstream about the caller.
struct Told {
    wishes: Wishes,
    fields: Vec<(HeaderName, HeaderSource)>,
    assertion: Option<AssertionSpec>,
}

impl Builder<'_> {
    /// The route, or `None` where the report has a problem.
    pub(super) fn route(
        &self,
        id: RouteId,
        plans: &mut Plans,
        report: &mut Report,
    ) -> Option<Route> {
        let Self { written, path, around } = self;
        self.check_access(report);
        let name = self.name(report);
        let told = self.told(&name, report);
        let rule = require::compile(written.require.as_ref(), &path.key("require"), report);
        let providers = self.providers(report);
        let accepts = self.accepts(&providers, report);
        let upstream = self.upstream(report);
        let upgrades = preflight::upgrades(written, path, report);
        let preflight =
            preflight::preflight(written.preflight.as_ref(), &path.key("preflight"), report);
        let login_url = self.login_url(report);
        let sign_in = self.sign_in(&providers, report);
        let timeout = self.timeout(report);
        Some(Route {
            id,
            name,
            access: access(written.access),
            rule,
            accepts,
            providers,
            headers: plans.with(told.fields)?,
            assertion: told.assertion,
            authorization: told.wishes.authorization(),
            sso_cookie: told.wishes.cookie(),
            upstream: upstream.ok()?,
            upgrades,
            preflight: preflight?,
            login_url,
            sign_in,
            max_body_bytes: written.limits.body.or(around.max_body).map(|size| size.0),
            timeout: timeout.or(around.timeout),
        })
    }

    fn name(&self, report: &mut Report) -> Arc<str> {
        let name = self.written.name.as_ref();
        let name = name.and_then(|name| words::label(name, &self.path.key("name"), report));
        Arc::from(name.unwrap_or_else(|| derived_name(self.written)))
    }

    /// The route's own wishes over those of all; none of them where there is no identity to tell of.
    fn told(&self, name: &str, report: &mut Report) -> Told {
        let own = self.written.identity.as_ref();
        let own = own.map(|identity| Wishes::read(identity, &self.path.key("identity"), report));
        let own = own.unwrap_or_default();
        self.check_wishes(&own, report);
        let wishes = own.over(self.around.identity);
        if self.written.access == Written::Public {
            return Told { wishes, fields: Vec::new(), assertion: None };
        }
        let fields = wishes.fields();
        let assertion = wishes.assertion(name, self.around.signer);
        self.check_assertion(assertion.as_ref(), &fields, report);
        Told { wishes, fields, assertion }
    }

    fn login_url(&self, report: &mut Report) -> Option<LoginUrl> {
        let text = self.written.login_url.as_ref()?;
        providers::login_url(text, &self.path.key("login_url"), report)
    }

    fn sign_in(&self, providers: &[ProviderId], report: &mut Report) -> SignInRule {
        let written = self.written.sign_in.as_ref();
        let Some(written) = written.filter(|_| self.written.access != Written::Public) else {
            return SignInRule::default();
        };
        // Where a provider did not compile, whether people sign in there is not known.
        let Some(known) = self.around.providers else { return SignInRule::default() };
        let path = &self.path.key("sign_in");
        let is_session = |word: &CredentialWord| *word == CredentialWord::Session;
        if self.written.accepts.as_ref().is_some_and(|list| !list.0.iter().any(is_session)) {
            let message = "people sign in for a session, which this route does not accept";
            report.refuse(path, message, "add `session` to `accepts`, or remove `sign_in`");
        }
        let ids = (0..).map(ProviderId).zip(known);
        let parties = ids.filter(|(_, provider)| provider.relying_party.is_some());
        let parties: Vec<ProviderId> = parties.map(|(id, _)| id).collect();
        let place = sign_in::Place {
            path,
            access: access(self.written.access),
            names: self.around.provider_names,
            parties: &parties,
            providers,
        };
        sign_in::rule(written, &place, report)
    }

    /// Whatever is written must count: a demand that nobody looks at is worse than none.
    fn check_access(&self, report: &mut Report) {
        let written = self.written;
        let refuse = |key: &str, report: &mut Report| {
            let word = if written.access == Written::Public { "public" } else { "optional" };
            let message = format!("needs an identity, but access is `{word}`");
            report.refuse(
                &self.path.key(key),
                message,
                format!("write access: required, or remove `{key}`"),
            );
        };
        if written.access != Written::Required && written.require.is_some() {
            refuse("require", report);
        }
        if written.access != Written::Public {
            return;
        }
        for (key, is_written) in [
            ("accepts", written.accepts.is_some()),
            ("providers", written.providers.is_some()),
            ("login_url", written.login_url.is_some()),
            ("sign_in", written.sign_in.is_some()),
        ] {
            if is_written {
                refuse(key, report);
            }
        }
    }

    fn check_wishes(&self, wishes: &Wishes, report: &mut Report) {
        if self.written.access == Written::Public && wishes.needs_identity() {
            let message = "needs an identity, but access is `public`";
            report.refuse(
                &self.path.key("identity"),
                message,
                "write access: optional, or remove it",
            );
        }
    }

    fn check_assertion(
        &self,
        assertion: Option<&AssertionSpec>,
        fields: &[(HeaderName, HeaderSource)],
        report: &mut Report,
    ) {
        let Some(assertion) = assertion else { return };
        if fields.iter().any(|(name, _)| words::folded(name) == words::folded(&assertion.header)) {
            let message = format!("`{}` carries a claim and the assertion", assertion.header);
            report.refuse(
                &self.path.key("identity"),
                message,
                "give the assertion another `header`",
            );
        }
    }

    fn providers(&self, report: &mut Report) -> SmallVec<[ProviderId; 4]> {
        let known = self.around.provider_names;
        let id = |index: usize| u16::try_from(index).ok().map(ProviderId);
        let Some(list) = &self.written.providers else {
            let all = if self.written.access == Written::Public { 0 } else { known.len() };
            return (0..all).filter_map(id).collect();
        };
        let mut found = SmallVec::new();
        for (index, name) in list.0.iter().enumerate() {
            let path = self.path.key("providers").index(index);
            let Some(provider) = words::find("provider", name, known, &path, report).and_then(id)
            else {
                continue;
            };
            if found.contains(&provider) {
                report.refuse(&path, format!("`{name}` is listed twice"), "keep one of the two");
            }
            found.push(provider);
        }
        found
    }

    /// The kinds of credential that count; each must be one that some provider of the route takes.
    fn accepts(&self, providers: &[ProviderId], report: &mut Report) -> CredentialKinds {
        let Some(List(words)) = &self.written.accepts else { return CredentialKinds::ALL };
        for (index, word) in words.iter().enumerate() {
            let kind = kind(*word);
            let takes = |id: &ProviderId| {
                self.around.provider(*id).is_none_or(|provider| provider.kinds().contains(kind))
            };
            if !providers.iter().any(takes) {
                let noun = if kind == CredentialKind::Dpop { "DPoP token" } else { kind.label() };
                let message = format!("no provider of this route takes a {noun}");
                let remedy = match kind {
                    CredentialKind::Dpop => {
                        String::from("add `dpop: accept` to the provider, or remove it here")
                    }
                    CredentialKind::Session => {
                        String::from("give the provider a `client_id`, and add `session:`")
                    }
                    kind => format!("name the {} in the provider, or remove it here", kind.label()),
                };
                report.refuse(&self.path.key("accepts").index(index), message, remedy);
            }
        }
        words.iter().map(|word| kind(*word)).collect()
    }

    /// Where requests go; nowhere where there are no upstreams, which is reported where one is needed.
    fn upstream(&self, report: &mut Report) -> Result<Option<UpstreamId>, Refused> {
        let known = self.around.upstreams;
        let index = match (&self.written.upstream, known) {
            (Some(name), known) => {
                words::find("upstream", name, known, &self.path.key("upstream"), report)
                    .ok_or(Refused)?
            }
            (None, [_]) => 0,
            (None, []) => return Ok(None),
            (None, known) => {
                self.refuse_to_guess(known, report);
                return Err(Refused);
            }
        };
        u16::try_from(index).map(|index| Some(UpstreamId(index))).map_err(|_| Refused)
    }

    fn refuse_to_guess(&self, upstreams: &[String], report: &mut Report) {
        if self.path.is_root() {
            let remedy = "add `routes:` that say what goes where";
            return report.refuse(self.path, "there are several upstreams and no routes", remedy);
        }
        let remedy = format!("add `upstream:` with one of: {}", upstreams.join(", "));
        report.refuse(self.path, "does not say to which upstream", remedy);
    }

    fn timeout(&self, report: &mut Report) -> Option<Duration> {
        let span = self.written.timeouts.request?;
        times::deadline(span, &self.path.key("timeouts").key("request"), report)
    }
}

const fn access(written: Written) -> Access {
    match written {
        Written::Optional => Access::Optional,
        Written::Public => Access::Public,
        Written::Required => Access::Required,
    }
}

const fn kind(word: CredentialWord) -> CredentialKind {
    match word {
        CredentialWord::Bearer => CredentialKind::Bearer,
        CredentialWord::Cookie => CredentialKind::Cookie,
        CredentialWord::Dpop => CredentialKind::Dpop,
        CredentialWord::Header => CredentialKind::Header,
        CredentialWord::Session => CredentialKind::Session,
    }
}

/// What a route is called that has no name: its methods, its first host and its first path.
fn derived_name(route: &WrittenRoute) -> String {
    let first =
        |list: &Option<List<String>>| list.as_ref().and_then(|list| list.0.first().cloned());
    let methods = route.r#match.methods.as_ref().map(|methods| format!("{} ", methods.0.join(",")));
    let host = first(&route.r#match.hosts).unwrap_or_default();
    let path = first(&route.r#match.paths).unwrap_or_else(|| String::from("/*"));
    format!("{}{host}{path}", methods.unwrap_or_default())
}
