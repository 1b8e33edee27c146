// Sign-out: asked for by the client (RP-Initiated Logout 1.0), told to it in the back (Back-Channel Logout 1.0) or through
// a frame (Front-Channel Logout 1.0).

import { compactVerify } from 'jose';
import '../names.mjs';
import { page } from './answer.mjs';
import { changed } from './misbehaviours.mjs';
import { now, random } from './provider.mjs';
import { cookie, single } from './request.mjs';
import { signed } from './tokens.mjs';

const EVENT = 'http://schemas.openid.net/event/backchannel-logout';
const TOKEN_SECONDS = 120;

// The claims of an ID token that we signed, with whatever key, expired or not.
async function hinted(provider, hint) {
  for (const key of [...provider.keys, ...provider.published]) {
    try {
      return JSON.parse(Buffer.from((await compactVerify(hint, key.publicKey)).payload));
    } catch {
      // Another key's, perhaps.
    }
  }
  throw new Error('id_token_hint is not one of ours');
}

async function wrongLogout(provider, values) {
  if (!values.id_token_hint && !values.client_id) return 'neither id_token_hint nor client_id';
  const hint = values.id_token_hint ? await hinted(provider, values.id_token_hint) : undefined;
  const id = values.client_id ?? hint.aud;
  if (hint && ![hint.aud].flat().includes(id)) return 'id_token_hint is of another client';
  const client = provider.clients.get(id);
  if (!client) return `client_id ${id} is not registered`;
  const address = values.post_logout_redirect_uri;
  if (address !== undefined && !client.post_logout_redirect_uris.includes(address)) return `post_logout_redirect_uri ${address} is not registered`;
  return undefined;
}

export async function endSession(provider, request) {
  const { values, twice } = single(request.method === 'GET' ? request.query : request.form);
  const wrong = twice ? `${twice} is there twice` : await wrongLogout(provider, values).catch((error) => error.message);
  if (wrong) return page(400, 'Sign-out cannot go on', wrong);
  // Whoever cannot show a token of the session must ask the person (RP-Initiated Logout §2).
  if (!values.id_token_hint) return page(200, 'Do you want to sign out?');
  provider.sessions.delete(cookie(request, 'op_session'));
  const { post_logout_redirect_uri: address, state } = values;
  if (address === undefined) return page(200, 'You are signed out');
  const response = { parameters: state === undefined ? {} : { state } };
  changed('end_session', response, provider.misbehaviour('end_session'));
  const query = new URLSearchParams(response.parameters).toString();
  const mark = address.includes('?') ? '&' : '?';
  return { status: 303, headers: { location: query ? `${address}${mark}${query}` : address } };
}

// A logout token as the test asks for it: `sub`, `sid` or both, and misbehaviours.
export async function logoutToken(provider, { client_id: aud, sub, sid, misbehaviour = {} }) {
  const iat = now();
  const claims = { iss: provider.issuer, aud, iat, exp: iat + TOKEN_SECONDS, jti: random(), sub, sid, events: { [EVENT]: {} } };
  return signed(provider, 'logout_token', claims, misbehaviour, 'logout+jwt');
}

// Sends `token` as providers do, and tells what came back.
export async function tell(provider, clientId, token) {
  const { backchannel_logout_uri: address } = provider.clients.get(clientId);
  const response = await fetch(address, { method: 'POST', redirect: 'manual', body: new URLSearchParams({ logout_token: token }) });
  return { status: response.status, headers: Object.fromEntries(response.headers), body: await response.text() };
}

// The page whose frames tell every client.
export function frames(provider, sid) {
  const addresses = [...provider.clients.values()].map((client) => client.frontchannel_logout_uri).filter(Boolean);
  const query = new URLSearchParams({ iss: provider.issuer, sid });
  return addresses.map((address) => `${address}?${query}`);
}
