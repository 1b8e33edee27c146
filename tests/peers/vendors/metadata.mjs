// What a tenant publishes.

export function metadata(_tenant, json) {
  return { json, headers: { 'cache-control': 'public, max-age=15' } };
}

export function jwks(tenant) {
  return { json: { keys: tenant.jwks() }, headers: { 'cache-control': 'public, max-age=15' } };
}
