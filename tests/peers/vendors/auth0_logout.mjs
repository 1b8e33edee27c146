// Signing out at Auth0: its own endpoint, the one of the standard, and the logout tokens that apps are told with.

import { compactVerify } from 'jose';
import '../names.mjs';
import { page } from '../misbehaving/answer.mjs';
import { sign, tampered, unsigned } from '../misbehaving/keys.mjs';
import { single } from '../misbehaving/request.mjs';
import { random } from './tenant.mjs';

const EVENT = 'http://schemas.openid.net/event/backchannel-logout';
const TOKEN_SECONDS = 120;
const DEADLINE_MS = 5000;

const withoutQuery = (address) => address.split(/[?#]/)[0];
const failed = (reason) => page(400, 'Oops! Something went wrong', reason);

function signOut(tenant, request, federated) {
  const session = tenant.session(request);
  if (!session) return;
  if (federated) tenant.federated.push(session.sub);
  tenant.end(session);
}

function leave(address, headers = {}) {
  return { status: 302, headers: { ...headers, location: address } };
}

// `client_id` says whose list of addresses counts; without it, the tenant's does. Query and fragment are not compared.
export function v2Logout(tenant, request) {
  const { values, twice } = single(request.query);
  if (twice) return failed(`${twice} is there twice`);
  const stray = Object.keys(values).find((name) => !['client_id', 'returnTo', 'federated'].includes(name));
  if (stray) return failed(`${stray} is no parameter of this endpoint`);
  const client = tenant.clients.get(values.client_id);
  if (values.client_id !== undefined && !client) return failed(`client_id ${values.client_id} is not registered`);
  const listed = client ? client.post_logout_redirect_uris : tenant.settings.logout_urls;
  const address = values.returnTo ?? listed[0];
  if (values.returnTo && !listed.map(withoutQuery).includes(withoutQuery(address))) return failed(`returnTo ${address} is not allowed`);
  signOut(tenant, request, values.federated !== undefined);
  return address === undefined ? { status: 200, html: 'OK' } : leave(address);
}

async function hinted(tenant, hint) {
  for (const jwk of [tenant.key(), ...tenant.published]) {
    try {
      return JSON.parse(Buffer.from((await compactVerify(hint, jwk.publicKey)).payload));
    } catch {
      // Another key's, perhaps.
    }
  }
  return undefined;
}

// RP-Initiated Logout 1.0: whoever shows neither token nor session is asked.
export async function oidcLogout(tenant, request) {
  const { values, twice } = single(request.method === 'GET' ? request.query : request.form);
  if (twice) return failed(`${twice} is there twice`);
  const known = ['id_token_hint', 'logout_hint', 'client_id', 'post_logout_redirect_uri', 'state', 'ui_locales', 'federated'];
  const stray = Object.keys(values).find((name) => !known.includes(name));
  if (stray) return failed(`${stray} is no parameter of this endpoint`);
  const hint = values.id_token_hint && (await hinted(tenant, values.id_token_hint));
  if (values.id_token_hint && !hint) return failed('id_token_hint is not one of ours');
  const id = values.client_id ?? hint?.aud;
  if (hint && hint.aud !== id) return failed('id_token_hint is of another client');
  const client = tenant.clients.get(id);
  if (!client) return failed(`client_id ${id} is not registered`);
  const address = values.post_logout_redirect_uri;
  if (address !== undefined && !client.post_logout_redirect_uris.includes(address)) return failed(`post_logout_redirect_uri ${address} is not allowed`);
  const session = tenant.session(request);
  if (session && (hint?.sid ?? values.logout_hint) !== session.sid) return page(200, 'Do you want to sign out?');
  signOut(tenant, request, values.federated !== undefined && values.federated !== 'false');
  if (address === undefined) return page(200, 'You are signed out');
  const state = values.state === undefined ? '' : `${address.includes('?') ? '&' : '?'}state=${encodeURIComponent(values.state)}`;
  return leave(address + state);
}

// A logout token as Auth0 writes them, changed as a test says: `claims` to set, `remove`, `header`, `form`.
export async function logoutToken(tenant, { client_id: aud, sub, sid, claims: set = {}, remove = [], header = {}, form }) {
  const iat = tenant.now();
  const claims = {
    iss: tenant.issuer, sub: sub && tenant.subject(sub), aud, iat, exp: iat + TOKEN_SECONDS, jti: random(), events: { [EVENT]: {} },
    trace_id: random().slice(0, 16), sid, ...set,
  };
  for (const name of remove) delete claims[name];
  if (form === 'unsigned') return unsigned(claims);
  const key = tenant.key();
  const secret = Buffer.from(JSON.stringify(key.jwk));
  const text = await sign(form === 'hs256' ? secret : key.privateKey, { alg: form === 'hs256' ? 'HS256' : 'RS256', typ: 'JWT', kid: key.kid, ...header }, claims);
  return form === 'tampered' ? tampered(text) : text;
}

export async function tell(tenant, clientId, token) {
  const { backchannel_logout_uri: address } = tenant.clients.get(clientId);
  const signal = AbortSignal.timeout(DEADLINE_MS);
  const body = new URLSearchParams({ logout_token: token });
  const response = await fetch(address, { method: 'POST', redirect: 'manual', body, signal });
  return { status: response.status, headers: Object.fromEntries(response.headers), body: await response.text() };
}

// From a queue, as there: nobody waits for it, and nothing is said twice.
export function tellAll(tenant, session) {
  for (const client of session.clients) {
    if (!tenant.clients.get(client)?.backchannel_logout_uri) continue;
    const told = logoutToken(tenant, { client_id: client, sub: session.sub, sid: session.sid });
    told.then((token) => tell(tenant, client, token)).then(
      ({ status }) => tenant.logouts.push({ client, status }),
      (error) => tenant.logouts.push({ client, error: String(error) }),
    );
  }
}
