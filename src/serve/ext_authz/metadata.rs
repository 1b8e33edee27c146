//! Who the caller is, as Envoy's dynamic metadata: for its access logs, rate limits and other filters.

use envoy_types::pb::google::protobuf::value::Kind;
use envoy_types::pb::google::protobuf::{ListValue, Struct, Value};

use crate::gate::Permit;
use crate::serve::runtime::Runtime;

/// What `permit` tells: the route, and of a known caller who it is and how it was authenticated. Never a token.
pub(super) fn of(runtime: &Runtime, permit: &Permit) -> Struct {
    let mut fields = Vec::with_capacity(10);
    fields.push(("route", text(&permit.route().name)));
    if let Some(caller) = permit.caller() {
        let identity = caller.identity();
        let provider = runtime.policy.provider(caller.provider());
        let optional = [
            ("acr", identity.context_class()),
            ("email", identity.trusted_email()),
            ("provider", provider.map(|provider| &*provider.name)),
        ];
        let known = optional.into_iter().filter_map(|(name, value)| Some((name, text(value?))));
        fields.extend(known);
        fields.push(("sub", text(identity.subject())));
        fields.push(("iss", text(identity.issuer())));
        fields.push(("exp", number(identity.expires().as_secs())));
        fields.extend(identity.authenticated_at().map(|at| ("auth_time", number(at.as_secs()))));
        fields.push(("groups", list(identity.groups().iter().map(String::as_str))));
        fields.push(("amr", list(identity.methods())));
    }
    Struct { fields: fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect() }
}

fn text(text: &str) -> Value {
    Value { kind: Some(Kind::StringValue(text.to_owned())) }
}

/// Numbers are doubles there, which tell any second of the next hundred million years.
fn number(seconds: u64) -> Value {
    Value { kind: Some(Kind::NumberValue(seconds as f64)) }
}

fn list<'a>(items: impl IntoIterator<Item = &'a str>) -> Value {
    let values = items.into_iter().map(text).collect();
    Value { kind: Some(Kind::ListValue(ListValue { values })) }
}
