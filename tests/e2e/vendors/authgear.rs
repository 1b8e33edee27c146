//! Authgear: one cookie for all apps of a domain, its resolver, tokens of its apps.

mod app_links;
mod cookie;
mod resolver;
mod tokens;
mod webhooks;
