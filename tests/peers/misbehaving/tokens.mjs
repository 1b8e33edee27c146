// The endpoints that a client calls itself: token (RFC 6749, OpenID Connect Core §3.1.3 and §12), userinfo (§5.3),
// introspection (RFC 7662) and revocation (RFC 7009).

import { createHash } from 'node:crypto';
import { oauthError } from './answer.mjs';
import { authenticate } from './client.mjs';
import { encrypted, halfHash, sign, tampered, unsigned } from './keys.mjs';
import { changed } from './misbehaviours.mjs';
import { now, random } from './provider.mjs';

const ID_TOKEN_SECONDS = 600;
const CLAIMS = { email: ['email', 'email_verified'], groups: ['groups'], profile: ['name', 'preferred_username'] };

// The signed `claims`, with the misbehaviours `told` about `section`.
export async function signed(provider, section, claims, told, typ = 'JWT') {
  const token = { header: { alg: provider.settings.alg, typ }, claims };
  changed(section, token, Object.fromEntries(['rotate', 'header'].filter((name) => name in told).map((name) => [name, told[name]])));
  if (token.rotate) {
    await provider.rotate();
    provider.misbehaviours[section].rotate = false;
  }
  token.header.kid ??= provider.key().kid;
  changed(section, token, { ...told, rotate: false, header: told.header ?? false });
  return made(provider, token);
}

async function made(provider, { header, claims, key, form, twice }) {
  if (form === 'unsigned') return unsigned(claims);
  const client = [...provider.clients.values()][0];
  const signer = key === 'HS256' ? Buffer.from(client.client_secret) : provider.key(key).privateKey;
  const named = key ? { ...header, alg: key, ...(key === 'HS256' ? {} : { kid: provider.key(key).kid }) } : header;
  const again = twice ? `${JSON.stringify(claims).slice(0, -1)},${JSON.stringify({ [twice]: claims[twice] }).slice(1)}` : claims;
  const text = await sign(signer, named, again);
  if (form === 'tampered') return tampered(text);
  return form === 'encrypted' ? encrypted(text) : text;
}

function claimsOf(provider, { sub, scope }) {
  const person = { email_verified: true, preferred_username: sub, ...provider.people[sub] };
  const names = scope.split(' ').flatMap((name) => CLAIMS[name] ?? []);
  return Object.fromEntries(names.filter((name) => name in person).map((name) => [name, person[name]]));
}

async function idToken(provider, section, grant, accessToken) {
  const { client_id: aud, sub, nonce, auth_time, amr, acr, sid } = grant;
  const iat = now();
  const claims = { iss: provider.issuer, sub, aud, iat, exp: iat + ID_TOKEN_SECONDS, auth_time, amr, acr, sid, at_hash: halfHash(accessToken) };
  if (section === 'id_token') claims.nonce = nonce;
  if (provider.settings.claims === 'both') Object.assign(claims, claimsOf(provider, grant));
  return signed(provider, section, claims, provider.misbehaviour(section));
}

// The answer to a grant that holds.
async function issued(provider, section, grant) {
  const accessToken = random();
  provider.accessTokens.set(accessToken, { ...grant, iat: now(), exp: now() + provider.settings.expires_in });
  const asked = grant.scope.split(' ').includes('offline_access');
  const { refresh } = provider.settings;
  const json = {
    access_token: accessToken,
    token_type: 'Bearer',
    expires_in: provider.settings.expires_in,
    scope: grant.scope,
    id_token: await idToken(provider, section === 'token' ? 'id_token' : 'refreshed_id_token', grant, accessToken),
  };
  if (refresh === 'always' || (refresh === 'offline_access' && asked)) {
    json.refresh_token = random();
    provider.refreshTokens.set(json.refresh_token, grant);
  }
  return { section, json };
}

async function codeGrant(provider, client, values) {
  const code = provider.codes.get(values.code);
  const refuse = (reason) => oauthError(400, 'invalid_grant', reason);
  if (!code) return refuse('the code is unknown');
  if (code.used) {
    provider.endFamily(values.code);
    return refuse('the code was used before');
  }
  code.used = true;
  const verifier = values.code_verifier ?? '';
  if (code.client_id !== client.client_id) return refuse('the code is of another client');
  if (code.expires < now()) return refuse('the code has expired');
  if (code.redirect_uri !== values.redirect_uri) return refuse(`redirect_uri ${values.redirect_uri}`);
  if (!/^[\w.~-]{43,128}$/.test(verifier)) return refuse('code_verifier is malformed');
  if (createHash('sha256').update(verifier).digest('base64url') !== code.challenge) return refuse('code_verifier does not match');
  const { used: _used, expires: _expires, ...grant } = code;
  return issued(provider, 'token', { ...grant, family: values.code });
}

// Every refresh token is used once; whoever uses one again ends all that came of it (RFC 9700 §4.14.2).
async function refreshGrant(provider, client, values) {
  const grant = provider.refreshTokens.get(values.refresh_token);
  const refuse = (reason) => oauthError(400, 'invalid_grant', reason);
  if (!grant) return refuse('the refresh token is unknown');
  if (grant.client_id !== client.client_id) return refuse('the refresh token is of another client');
  if (grant.ended) return refuse('the refresh token has been ended');
  if (grant.used) {
    provider.endFamily(grant.family);
    return refuse('the refresh token was used before');
  }
  grant.used = true;
  const { used: _used, ...next } = grant;
  return issued(provider, 'refresh', next);
}

export async function token(provider, request) {
  const { client, values, wrong } = await authenticate(provider, request);
  if (wrong) return wrong;
  switch (values.grant_type) {
    case 'authorization_code': return codeGrant(provider, client, values);
    case 'refresh_token': return refreshGrant(provider, client, values);
    default: return oauthError(400, 'unsupported_grant_type', `grant_type ${values.grant_type}`);
  }
}

const holds = (grant) => grant && !grant.ended && grant.exp > now();

export async function userinfo(provider, request) {
  const text = /^Bearer ([\w.~+/-]+=*)$/.exec(request.headers.authorization ?? '')?.[1];
  const refuse = (reason) => oauthError(401, 'invalid_token', reason, { 'www-authenticate': 'Bearer error="invalid_token"' });
  if (request.query.has('access_token')) return refuse('the token is in the address');
  const grant = provider.accessTokens.get(text);
  if (!holds(grant)) return refuse('the access token is missing, unknown or has ended');
  const answer = { json: { sub: grant.sub, ...claimsOf(provider, grant) } };
  const told = provider.misbehaviour('userinfo');
  if (told.answer) return answer;
  changed('userinfo', answer, told);
  if (!answer.signed) return { ...answer, settled: true };
  const claims = { iss: provider.issuer, aud: grant.client_id, ...answer.json };
  const body = await signed(provider, 'id_token', claims, answer.signed);
  return { headers: { 'content-type': 'application/jwt' }, body };
}

export async function introspect(provider, request) {
  const { values, wrong } = await authenticate(provider, request);
  if (wrong) return wrong;
  if (!values.token) return oauthError(400, 'invalid_request', 'token is missing');
  const grant = provider.accessTokens.get(values.token);
  if (!holds(grant)) return { json: { active: false } };
  const { sub, scope, client_id, iat, exp } = grant;
  return { json: { active: true, iss: provider.issuer, sub, scope, client_id, aud: client_id, iat, exp, token_type: 'Bearer', ...claimsOf(provider, grant) } };
}

export async function revoke(provider, request) {
  const { client, values, wrong } = await authenticate(provider, request);
  if (wrong) return wrong;
  if (!values.token) return oauthError(400, 'invalid_request', 'token is missing');
  const grant = provider.refreshTokens.get(values.token) ?? provider.accessTokens.get(values.token);
  if (grant && grant.client_id !== client.client_id) return oauthError(400, 'invalid_grant', 'the token is of another client');
  if (grant) provider.endFamily(grant.family);
  return { status: 200, body: '' };
}
