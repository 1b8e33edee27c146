// Signing out at Okta: an ID token is a must, and one that has run out leads to an error page. The other apps of the session are told
// by frames in the browser (Front-Channel Logout 1.0).

import { compactVerify } from 'jose';
import { page } from '../misbehaving/answer.mjs';
import { single } from '../misbehaving/request.mjs';

const KNOWN = ['id_token_hint', 'post_logout_redirect_uri', 'state', 'device_secret', 'client_id'];
const failed = (reason) => page(400, 'Your request resulted in an error', reason);

async function hinted(server, hint) {
  for (const key of [server.key(), ...server.published]) {
    try {
      return JSON.parse(Buffer.from((await compactVerify(hint, key.publicKey)).payload));
    } catch {
      // Another key's, perhaps.
    }
  }
  return undefined;
}

async function wrong(server, values) {
  const stray = Object.keys(values).find((name) => !KNOWN.includes(name));
  if (stray) return `${stray} is no parameter of this endpoint`;
  if (!values.id_token_hint) return 'id_token_hint is missing';
  const claims = await hinted(server, values.id_token_hint);
  if (!claims || claims.iss !== server.issuer) return 'id_token_hint is not one of ours';
  if (claims.exp <= server.now()) return 'id_token_hint has expired';
  if (values.client_id !== undefined && values.client_id !== claims.aud) return 'id_token_hint is of another client';
  const address = values.post_logout_redirect_uri;
  if (address !== undefined && !server.clients.get(claims.aud).post_logout_redirect_uris.includes(address)) return `post_logout_redirect_uri ${address} is not registered`;
  return undefined;
}

// The addresses of the frames for the apps of a session.
export function frames(server, session) {
  const iss = server.settings.slo_issuer === 'org' ? server.origin : server.issuer;
  const query = new URLSearchParams({ iss, sid: session.sid });
  const addresses = [...session.clients].map((id) => server.clients.get(id)?.frontchannel_logout_uri).filter(Boolean);
  return addresses.map((address) => `${address}?${query}`);
}

export async function logout(server, request) {
  const { values, twice } = single(request.method === 'GET' ? request.query : request.form);
  const reason = twice ? `${twice} is there twice` : await wrong(server, values);
  if (reason) return failed(reason);
  const session = server.session(request);
  if (session) server.end(session);
  if (values.device_secret) server.endGrants(server.deviceSecrets.get(values.device_secret)?.sid);
  const address = values.post_logout_redirect_uri;
  if (address === undefined) return page(200, 'You are signed out');
  const state = values.state === undefined ? '' : `${address.includes('?') ? '&' : '?'}state=${encodeURIComponent(values.state)}`;
  const framed = session ? frames(server, session) : [];
  if (framed.length === 0) return { status: 302, headers: { location: address + state } };
  const shown = framed.map((url) => `<iframe src="${url.replaceAll('&', '&amp;')}"></iframe>`).join('');
  const onward = JSON.stringify(address + state).replaceAll('<', '\\u003c');
  return { status: 200, html: `<!doctype html><title>Signing out</title>${shown}<script>onload=function(){location.replace(${onward})}</script>` };
}
