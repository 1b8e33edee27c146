// The token endpoint (RFC 6749 §4.1.3 and §6) and what clients ask themselves: revocation (RFC 7009), pushed requests (RFC 9126).

import { createHash } from 'node:crypto';
import { oauthError } from '../misbehaving/answer.mjs';
import { authenticate } from '../misbehaving/client.mjs';
import { random } from './tenant.mjs';

const KNOWN = {
  authorization_code: ['code', 'redirect_uri', 'code_verifier'],
  refresh_token: ['refresh_token', 'scope'],
};
const CLIENT = ['grant_type', 'client_id', 'client_secret', 'client_assertion', 'client_assertion_type'];
const PUSHED_SECONDS = 30;

export const refuse = (reason) => oauthError(400, 'invalid_grant', reason);

// The answer to a grant that holds.
async function issued(tenant, client, grant, extra = {}) {
  const access = await tenant.accessToken(grant);
  const json = {
    access_token: access, token_type: 'Bearer', expires_in: tenant.settings.expires_in, scope: grant.scope,
    id_token: await tenant.idToken(grant, access), ...extra,
  };
  if (grant.scope.split(' ').includes('offline_access') && client.refresh !== false) {
    json.refresh_token = random();
    tenant.refreshTokens.set(json.refresh_token, { ...grant, nonce: undefined, silent: true });
  }
  return { json };
}

async function codeGrant(tenant, client, values) {
  const code = tenant.codes.get(values.code);
  if (!code) return refuse('the code is unknown');
  if (code.used) {
    tenant.endGrants(code.sid);
    return refuse('the code was used before');
  }
  code.used = true;
  if (code.client_id !== client.client_id) return refuse('the code is of another client');
  if (code.expires < tenant.now()) return refuse('the code has expired');
  if (code.redirect_uri !== values.redirect_uri) return refuse(`redirect_uri ${values.redirect_uri}`);
  const verifier = values.code_verifier ?? '';
  if (!/^[\w.~-]{43,128}$/.test(verifier)) return refuse('code_verifier is malformed');
  if (createHash('sha256').update(verifier).digest('base64url') !== code.challenge) return refuse('code_verifier does not match');
  const { used: _used, expires: _expires, ...grant } = code;
  return issued(tenant, client, grant, tenant.beside(grant));
}

// Each is used once, but for `refresh_grace` seconds; whoever comes later ends all that came of it (RFC 9700 §4.14.2).
async function refreshGrant(tenant, client, values) {
  const grant = tenant.refreshTokens.get(values.refresh_token);
  if (!grant) return refuse('Unknown or invalid refresh token.');
  if (grant.client_id !== client.client_id) return refuse('the refresh token is of another client');
  if (grant.ended) return refuse('the refresh token has been ended');
  if (grant.used !== undefined && tenant.now() > grant.used + tenant.settings.refresh_grace) {
    tenant.endGrants(grant.sid);
    return refuse('the refresh token was used before');
  }
  grant.used ??= tenant.now();
  const { used: _used, ...next } = grant;
  return issued(tenant, client, next);
}

export async function token(tenant, request) {
  const { client, values, wrong } = await authenticate(tenant, request);
  if (wrong) return wrong;
  const known = { ...KNOWN, ...tenant.grants }[values.grant_type];
  if (!known) return oauthError(400, 'unsupported_grant_type', `grant_type ${values.grant_type}`);
  const stray = Object.keys(values).find((name) => ![...CLIENT, ...known].includes(name));
  if (stray) return oauthError(400, 'invalid_request', `${stray} is no parameter of this grant`);
  switch (values.grant_type) {
    case 'authorization_code': return codeGrant(tenant, client, values);
    case 'refresh_token': return refreshGrant(tenant, client, values);
    default: return tenant.exchange(client, values, (grant) => issued(tenant, client, grant));
  }
}

export async function push(tenant, request) {
  const { values, wrong } = await authenticate(tenant, request);
  if (wrong) return wrong;
  if (values.request_uri !== undefined) return oauthError(400, 'invalid_request', 'request_uri must not be pushed');
  for (const name of ['client_secret', 'client_assertion', 'client_assertion_type']) delete values[name];
  const uri = `urn:ietf:params:oauth:request_uri:${random()}`;
  tenant.pushed.set(uri, { values, expires: tenant.now() + PUSHED_SECONDS });
  return { status: 201, json: { request_uri: uri, expires_in: PUSHED_SECONDS } };
}

// Ending a refresh token ends the access tokens of the same client and session, too.
export async function revoke(tenant, request) {
  const { client, values, wrong } = await authenticate(tenant, request);
  if (wrong) return wrong;
  if (!values.token) return oauthError(400, 'invalid_request', 'token is missing');
  if (tenant.deviceSecrets.has(values.token)) {
    tenant.endGrants(tenant.deviceSecrets.get(values.token).sid);
    return { status: 200, body: '' };
  }
  const grant = tenant.refreshTokens.get(values.token) ?? tenant.accessTokens.get(values.token);
  if (grant && grant.client_id !== client.client_id) return oauthError(400, 'invalid_grant', 'the token is of another client');
  for (const tokens of [tenant.accessTokens, tenant.refreshTokens]) {
    for (const other of tokens.values()) if (grant && other.sid === grant.sid && other.client_id === grant.client_id) other.ended = true;
  }
  return { status: 200, body: '' };
}

export const holds = (tenant, grant) => Boolean(grant) && !grant.ended && (grant.exp ?? Infinity) > tenant.now();

export async function userinfo(tenant, request) {
  const text = /^Bearer ([\w.~+/-]+=*)$/.exec(request.headers.authorization ?? '')?.[1];
  const grant = tenant.accessTokens.get(text);
  if (!holds(tenant, grant)) {
    const reason = 'the access token is missing, unknown or has ended';
    return oauthError(401, 'invalid_token', reason, { 'www-authenticate': 'Bearer error="invalid_token"' });
  }
  return { json: { sub: tenant.subject(grant.sub), ...tenant.profile(grant) } };
}
