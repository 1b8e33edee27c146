//! Authgear: one cookie for all apps of a domain, its resolver, tokens of its apps.

mod app_links;
mod browser;
mod cookie;
mod doors;
mod nginx;
mod resolver;
mod tokens;
mod webhooks;
