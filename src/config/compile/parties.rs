//! Which providers people sign in at, and which are asked about tokens.

use std::time::Duration;

use url::Url;

use crate::config::compile::{backend, times, urls};
use crate::config::file::{
    ExchangeSection, IntrospectedTokens, IntrospectionSection, Provider as Written, ProviderType,
    Session,
};
use crate::config::inputs::Inputs;
use crate::config::path::KeyPath;
use crate::config::problem::Report;
use crate::config::secret;
use crate::config::units::{Size, Span};
use crate::gate::{Introspection, ProviderId};
use crate::remote::introspection::IntrospectionSettings;
use crate::remote::relying_party::RelyingPartySettings;
use crate::remote::renewal::Schedule;
use crate::serve::settings::{
    BackendSettings, ExchangeSettings, IntrospectingSettings, PartySettings,
};

/// What a party depends on.
pub(super) struct Surroundings<'a> {
    /// The prefix of our own endpoints.
    pub(super) prefix: &'a str,
    /// Whether the only provider at which people sign in may answer where oauth2-proxy had its callback.
    pub(super) has_sole_callback: bool,
    /// Without sessions, nobody signs in.
    pub(super) session: Option<&'a Session>,
}

/// Whether people could sign in at the provider, through us.
pub(super) fn is_client(written: &Written) -> bool {
    let is_ours = written.r#type.speaks_oidc() && written.client_id.is_some();
    is_ours && written.login_url.is_none()
}

/// One provider, and where it stands.
pub(super) struct Place<'a> {
    pub(super) written: &'a Written,
    pub(super) name: &'a str,
    pub(super) path: &'a KeyPath,
    pub(super) id: ProviderId,
    pub(super) around: &'a Surroundings<'a>,
}

impl Place<'_> {
    /// Says where people cannot sign in although it looks as if they should.
    pub(super) fn check(&self, report: &mut Report) {
        let written = self.written;
        let is_client = written.client_secret.is_some() || written.client_key.is_some();
        if !written.r#type.speaks_oidc() || !is_client {
            return;
        }
        match (&written.login_url, self.around.session) {
            (None, None) if written.introspection.is_none() => report.warn(
                self.path,
                "nobody can sign in: there is no `session:`, and whoever has no token gets 401",
                "add `session:` with `keys:`, or the `login_url:` of a login service",
            ),
            (Some(_), Some(_)) => report.warn(
                &self.path.key("login_url"),
                "people sign in at this page, not here, although there are `client_id` and `session`",
                "remove it, or remove the client's secret",
            ),
            _ => {}
        }
    }

    /// Whether people sign in there, through us.
    pub(super) fn is_party(&self) -> bool {
        is_client(self.written) && self.around.session.is_some()
    }

    /// How people sign in there, if they do.
    pub(super) fn party(
        &self,
        client: &RelyingPartySettings,
        (backend, inputs): (Option<BackendSettings>, &mut Inputs),
        report: &mut Report,
    ) -> Option<PartySettings> {
        let Self { written, path, .. } = self;
        let webhook = written
            .webhook_secret
            .as_ref()
            .and_then(|written| secret::load(written, &path.key("webhook_secret"), inputs, report));
        let redirect_uri =
            written.redirect_uri.as_ref().map(|text| self.redirect_uri(text, report));
        let id_token_max_age = times::span(
            written.id_token_max_age,
            Span::secs(60),
            Span::secs(86_400),
            &path.key("id_token_max_age"),
            report,
        );
        let revalidate = self.revalidate(report);
        let keep_alive = self.keep_alive(report);
        self.check_exchange(report);
        let session = self.around.session.filter(|_| self.is_party())?;
        let own = format!("{}/callback/{}", self.around.prefix, self.name);
        let has_own = written.redirect_uri.as_ref().is_some_and(|uri| uri.ends_with(&own));
        Some(PartySettings {
            has_sole_callback: self.around.has_sole_callback && !has_own,
            provider: self.id,
            name: self.name.to_owned(),
            title: written.title.clone().unwrap_or_else(|| self.title()),
            relying_party: client.clone(),
            redirect_uri: match redirect_uri {
                Some(uri) => Some(uri?),
                None => None,
            },
            id_token_max_age: id_token_max_age?,
            id_token_claims: written.id_token_claims.clone().into_iter().flatten().collect(),
            schedule: Schedule {
                ahead: session.renew_ahead.map(|span| span.0),
                // A session of the provider that was not asked about for so long lets nobody in.
                revalidate: revalidate.or_else(|| backend.as_ref().map(|_| backend::LIFETIME)),
            },
            backend,
            exchange: written.exchange.as_ref().map(exchange),
            keep_alive,
            flow: self.flow(),
            webhook,
        })
    }

    /// Tokens are exchanged for sessions of ours.
    fn check_exchange(&self, report: &mut Report) {
        if self.written.exchange.is_some() && !self.is_party() {
            let remedy = "add `session:`, and remove the provider's `login_url:`";
            let message = "nobody signs in here: there would be no session";
            report.refuse(&self.path.key("exchange"), message, remedy);
        }
    }

    /// How long the provider's session counts before it is asked about again.
    fn revalidate(&self, report: &mut Report) -> Option<Duration> {
        let (least, most) = (Span::secs(30), Span::secs(30 * 86_400));
        times::span(self.written.revalidate?, least, most, &self.path.key("revalidate"), report)
    }

    /// How long after a sign-in the provider's session is used once more.
    pub(super) fn keep_alive(&self, report: &mut Report) -> Option<Duration> {
        let (least, most) = (Span::secs(300), Span::secs(30 * 86_400));
        times::span(self.written.keep_alive?, least, most, &self.path.key("keep_alive"), report)
    }

    /// Its name, or, if it has none, its host.
    fn title(&self) -> String {
        let host = || Url::parse(&self.written.issuer).ok()?.host_str().map(str::to_owned);
        self.written.name.clone().or_else(host).unwrap_or_else(|| self.name.to_owned())
    }

    /// Must lead to our own endpoint: a code that goes elsewhere is lost, or somebody else's.
    fn redirect_uri(&self, text: &str, report: &mut Report) -> Option<String> {
        let path = self.path.key("redirect_uri");
        let url = urls::for_browsers(text, &path, report)?;
        let own = format!("{}/callback/{}", self.around.prefix, self.name);
        let sole = format!("{}/callback", self.around.prefix);
        let is_ours = url.path() == own || (self.around.has_sole_callback && url.path() == sole);
        if !is_ours || url.query().is_some() || url.fragment().is_some() {
            let origin = url.origin().ascii_serialization();
            let message = format!("`{text}` does not lead back to sidegate");
            let usual = if self.around.has_sole_callback { sole } else { own };
            report.refuse(&path, message, format!("write {origin}{usual}"));
            return None;
        }
        Some(text.to_owned())
    }

    /// Which of its tokens it is asked about, and how.
    pub(super) fn introspection(
        &self,
        client: Option<&RelyingPartySettings>,
        report: &mut Report,
    ) -> (Introspection, Option<IntrospectingSettings>) {
        let written = self.written;
        let is_its_way = written.r#type == ProviderType::Introspection;
        let plain = IntrospectionSection::default();
        let section = match &written.introspection {
            Some(section) => section,
            None if is_its_way => &plain,
            None => return (Introspection::Never, None),
        };
        let which = match section.tokens {
            Some(IntrospectedTokens::Always) => Introspection::Always,
            None if is_its_way => Introspection::Always,
            Some(IntrospectedTokens::Opaque) | None => Introspection::Opaque,
        };
        let settings = answers(section, &self.path.key("introspection"), report);
        let introspecting = client.zip(settings).map(|(client, introspection)| {
            let relying_party = client.clone();
            IntrospectingSettings { provider: self.id, relying_party, introspection }
        });
        (which, introspecting)
    }
}

fn exchange(written: &ExchangeSection) -> ExchangeSettings {
    ExchangeSettings {
        access_tokens: written.access_tokens,
        device_secrets: written.device_secrets,
        audience: written.audience.clone(),
    }
}

fn answers(
    section: &IntrospectionSection,
    path: &KeyPath,
    report: &mut Report,
) -> Option<IntrospectionSettings> {
    let usual = IntrospectionSettings::default();
    let mut within = |key: &str, span: Option<Span>, usual: Duration, most: u64| match span {
        Some(span) => times::span(span, Span::secs(1), Span::secs(most), &path.key(key), report),
        None => Some(usual),
    };
    let remember = within("cache", section.cache, usual.remember, 3_600);
    let remember_inactive =
        within("cache_inactive", section.cache_inactive, usual.remember_inactive, 3_600);
    let patience = within("timeout", section.timeout, usual.patience, 60);
    let memory = match section.memory {
        Some(size) => {
            times::size(size, Size::mib(1), Size::mib(1 << 20), &path.key("memory"), report)
                .and_then(|bytes| u64::try_from(bytes).ok())
        }
        None => Some(usual.memory),
    };
    Some(IntrospectionSettings {
        remember: remember?,
        remember_inactive: remember_inactive?,
        patience: patience?,
        memory: memory?,
    })
}
