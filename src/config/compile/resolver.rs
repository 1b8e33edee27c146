//! Authgear's resolver and what goes with it: whose word counts, and what a sign-in leaves behind.

use std::time::Duration;

use crate::config::compile::parties::Place;
use crate::config::compile::{times, urls, words};
use crate::config::file::{ProviderType, ResolverSection, ResponseTypeWord, VerifyWord};
use crate::config::path::KeyPath;
use crate::config::problem::Report;
use crate::config::units::{Size, Span};
use crate::gate::{ResolvedTokens, Resolver, SignInFlow};
use crate::remote::resolver::ResolverSettings;
use crate::serve::settings::ResolvingSettings;

/// Authgear's cookies, in the order in which its server looks at them.
const COOKIES: [&str; 3] = ["app_session", "app_access_token", "session"];

impl Place<'_> {
    /// Who is asked about callers, if anybody is, as the gate and as the rest go by it.
    pub(super) fn resolver(&self, report: &mut Report) -> Option<(Resolver, ResolvingSettings)> {
        let tokens = match self.verify() {
            VerifyWord::Jwt => return None,
            VerifyWord::JwtAndResolver => ResolvedTokens::Recheck,
            VerifyWord::Resolver => ResolvedTokens::All,
        };
        let plain = ResolverSection::default();
        let section = self.written.resolver.as_ref().unwrap_or(&plain);
        let settings = self.resolver_settings(section, &self.path.key("resolver"), report)?;
        let cookies = settings.cookies.clone();
        Some((Resolver { cookies, tokens }, ResolvingSettings { provider: self.id, settings }))
    }

    /// What a sign-in leaves behind.
    pub(super) const fn flow(&self) -> SignInFlow {
        match self.written.response_type {
            ResponseTypeWord::Code => SignInFlow::Code,
            ResponseTypeWord::None => SignInFlow::Cookie,
        }
    }

    fn verify(&self) -> VerifyWord {
        let usual = match &self.written.resolver {
            Some(_) => VerifyWord::Resolver,
            None => VerifyWord::Jwt,
        };
        self.written.verify.unwrap_or(usual)
    }

    /// Says what nobody would look at, and what cannot work.
    pub(super) fn check_authgear(&self, report: &mut Report) {
        let written = self.written;
        if written.r#type != ProviderType::Authgear {
            for (key, is_written) in [
                ("verify", written.verify.is_some()),
                ("resolver", written.resolver.is_some()),
                ("response_type", written.response_type == ResponseTypeWord::None),
                ("sso_enabled", written.sso_enabled.is_some()),
                ("webhook_secret", written.webhook_secret.is_some()),
            ] {
                if is_written {
                    let message = "only Authgear has this";
                    report.refuse(
                        &self.path.key(key),
                        message,
                        "write `type: authgear`, or remove it",
                    );
                }
            }
            return;
        }
        if self.verify() == VerifyWord::Jwt && written.resolver.is_some() {
            let message = "is not asked, since tokens are verified here";
            report.refuse(&self.path.key("resolver"), message, "remove it, or `verify: jwt`");
        }
        if written.webhook_secret.is_some() && !self.is_party() {
            let message = "nobody signs in here whose session could be ended";
            report.refuse(
                &self.path.key("webhook_secret"),
                message,
                "remove it, or add `client_id:` and `session:`",
            );
        }
        self.check_carriers(report);
        if written.response_type == ResponseTypeWord::None {
            self.check_cookie_flow(report);
        }
    }

    /// The resolver has cookies of its own; others, and other headers, are no business of its.
    fn check_carriers(&self, report: &mut Report) {
        let written = self.written;
        if self.verify() != VerifyWord::Resolver {
            return;
        }
        for (key, is_written) in [
            ("cookie", written.cookie.is_some()),
            ("cookies", written.cookies.is_some()),
            ("headers", written.headers.is_some()),
            ("introspection", written.introspection.is_some()),
        ] {
            if is_written {
                let message = "nobody would look at it: all that comes is judged by the resolver";
                report.refuse(
                    &self.path.key(key),
                    message,
                    "remove it, or write another `verify:`",
                );
            }
        }
    }

    fn check_cookie_flow(&self, report: &mut Report) {
        let path = self.path.key("response_type");
        if self.verify() != VerifyWord::Resolver {
            let message = "such a sign-in leaves a cookie that only the resolver knows, and that is not asked";
            report.refuse(&path, message, "add `verify: resolver`");
        }
        if !self.is_party() {
            let message = "nobody signs in here: that takes `client_id:` here, no `login_url:`, and `session:` with `keys:`";
            report.refuse(&path, message, "add what is missing, or remove it");
        }
        if self.written.sso_enabled == Some(false) {
            let message = "a cookie of the whole domain is single sign-on: it cannot be without";
            report.refuse(&self.path.key("sso_enabled"), message, "remove it");
        }
    }

    fn resolver_settings(
        &self,
        section: &ResolverSection,
        path: &KeyPath,
        report: &mut Report,
    ) -> Option<ResolverSettings> {
        let usual = || format!("{}/_resolver/resolve", self.written.issuer.trim_end_matches('/'));
        let text = section.url.clone().unwrap_or_else(usual);
        let url = urls::outbound(&text, urls::Harm::Exchange, &path.key("url"), report);
        let host = section.host.as_ref().map(|text| host(text, &path.key("host"), report));
        let cookies = cookies(section, &path.key("cookie_prefix"), report);
        let mut within = |key: &str, span: Option<Span>, usual: u64, most: u64| match span {
            Some(span) => {
                times::span(span, Span::secs(1), Span::secs(most), &path.key(key), report)
            }
            None => Some(Duration::from_secs(usual)),
        };
        let remember = within("cache", section.cache, 10, 3_600);
        let remember_invalid = within("cache_invalid", section.cache_invalid, 5, 3_600);
        let recheck = within("recheck", section.recheck, 60, 3_600);
        let patience = within("timeout", section.timeout, 2, 60);
        let memory = section.memory.unwrap_or(Size::mib(16));
        let memory =
            times::size(memory, Size::mib(1), Size::mib(1 << 20), &path.key("memory"), report);
        Some(ResolverSettings {
            url: url?,
            host: match host {
                Some(host) => Some(host?),
                None => None,
            },
            cookies: cookies?,
            remember: remember?,
            remember_invalid: remember_invalid?,
            recheck: recheck?,
            patience: patience?,
            memory: u64::try_from(memory?).ok()?,
        })
    }
}

fn cookies(section: &ResolverSection, path: &KeyPath, report: &mut Report) -> Option<Vec<String>> {
    let prefix = section.cookie_prefix.as_deref().unwrap_or_default();
    let [first, rest @ ..] = COOKIES.map(|name| format!("{prefix}{name}"));
    words::cookie(&first, path, report)?;
    Some([first].into_iter().chain(rest).collect())
}

fn host(text: &str, path: &KeyPath, report: &mut Report) -> Option<String> {
    if crate::base::host::Authority::parse(text).is_some() {
        return Some(text.to_owned());
    }
    let message = format!("`{text}` is no host");
    report.refuse(path, message, "write the project's host, such as auth.example.com");
    None
}
