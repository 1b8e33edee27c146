// Client authentication (RFC 6749 §2.3, RFC 7523 §3): in the one way that the client is registered with.

import { timingSafeEqual } from 'node:crypto';
import { importJWK, importSPKI, jwtVerify } from 'jose';
import { oauthError } from './answer.mjs';
import { single } from './request.mjs';

const ASSERTION = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
const MAX_LIFE_SECONDS = 300;

const equal = (a, b) => a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b));

// application/x-www-form-urlencoded text as a form would have it (RFC 6749 §2.3.1, appendix B).
function decoded(text) {
  if (!/^(?:[\w*.+-]|%[\dA-Fa-f]{2})*$/.test(text)) throw new Error('not form-urlencoded');
  return decodeURIComponent(text.replaceAll('+', ' '));
}

function basic(authorization) {
  const [scheme, credentials] = authorization.split(' ');
  if (scheme !== 'Basic') throw new Error(`Authorization is ${scheme}`);
  const text = Buffer.from(credentials, 'base64').toString('latin1');
  const colon = text.indexOf(':');
  if (colon < 0) throw new Error('no colon');
  return { id: decoded(text.slice(0, colon)), secret: decoded(text.slice(colon + 1)) };
}

async function assertedClient(provider, values) {
  if (values.client_assertion_type !== ASSERTION) throw new Error(`client_assertion_type ${values.client_assertion_type}`);
  const claimed = JSON.parse(Buffer.from(values.client_assertion.split('.')[1], 'base64url'));
  const client = provider.clients.get(claimed.sub);
  const registered = client?.key;
  if (!registered) throw new Error(`no key is registered for ${claimed.sub}`);
  const key = typeof registered === 'string' ? await importSPKI(registered, 'ES256') : await importJWK(registered, 'ES256');
  const { payload } = await jwtVerify(values.client_assertion, key, {
    algorithms: ['ES256'],
    issuer: claimed.sub,
    audience: [provider.issuer, `${provider.issuer}/token`],
    requiredClaims: ['exp', 'jti', 'iss', 'sub', 'aud'],
  });
  if (payload.exp > Date.now() / 1000 + MAX_LIFE_SECONDS) throw new Error('the assertion lives too long');
  if (provider.assertions.has(payload.jti)) throw new Error('the assertion was used before');
  provider.assertions.add(payload.jti);
  return client.client_id;
}

// What was presented: [method, client_id, secret].
async function presented(provider, request, values) {
  const ways = [];
  if (request.headers.authorization !== undefined) {
    const { id, secret } = basic(request.headers.authorization);
    if (values.client_id !== undefined && values.client_id !== id) throw new Error('two different client_ids');
    ways.push(['client_secret_basic', id, secret]);
  }
  if (values.client_secret !== undefined) ways.push(['client_secret_post', values.client_id, values.client_secret]);
  if (values.client_assertion !== undefined) ways.push(['private_key_jwt', await assertedClient(provider, values)]);
  if (ways.length > 1) throw new Error('authenticated in several ways');
  return ways[0] ?? ['none', values.client_id];
}

// { client }, or { wrong: the answer }.
export async function authenticate(provider, request) {
  if (!request.isForm) return { wrong: oauthError(400, 'invalid_request', 'the body is not a form') };
  if ([...request.query].length > 0) return { wrong: oauthError(400, 'invalid_request', 'parameters in the query') };
  const { values, twice } = single(request.form);
  if (twice) return { wrong: oauthError(400, 'invalid_request', `${twice} is there twice`) };
  try {
    const [method, id, secret] = await presented(provider, request, values);
    const client = provider.clients.get(id);
    if (!client) throw new Error(`client_id ${id} is not registered`);
    if (client.token_endpoint_auth_method !== method) throw new Error(`${method} instead of ${client.token_endpoint_auth_method}`);
    if (secret !== undefined && !equal(secret, client.client_secret)) throw new Error('wrong secret');
    return { client, values };
  } catch (error) {
    return { wrong: oauthError(401, 'invalid_client', error.message, { 'www-authenticate': 'Basic realm="provider"' }) };
  }
}
