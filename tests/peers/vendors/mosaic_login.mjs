// A login service, as a user of Mosaic would have one: it asks people by Mosaic's API, and hands the session in to sidegate. `app` in its address is the client it signs people in for; the rest of the query is sidegate's.

import { page } from '../misbehaving/answer.mjs';
import { single } from '../misbehaving/request.mjs';

const KEPT = ['app', 'return_to', 'state', 'adopt', 'handle'];
const escaped = (text) => String(text).replace(/[&<>"]/g, (found) => `&#${found.charCodeAt(0)};`);

// What the page asks for is kept in its form.
export function showLogin(request) {
  const { values } = single(request.query);
  const kept = KEPT.filter((name) => values[name] !== undefined).map((name) => `<input type="hidden" name="${name}" value="${escaped(values[name])}">`);
  const asked = values.handle ? '<input name="passcode">' : '<input name="username"><input name="password" type="password">';
  return { status: 200, html: `<!doctype html><title>Sign in</title><h1>Sign in at the login service</h1><form method="post" action="/signin">${kept.join('')}${asked}<button>Sign in</button></form>` };
}

async function posted(url, bearer, body) {
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${bearer}` };
  const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) });
  return { status: response.status, json: await response.json() };
}

async function clientToken(tenant, app) {
  const { client_id, client_secret } = tenant.clients.get(app);
  const body = new URLSearchParams({ grant_type: 'client_credentials', client_id, client_secret });
  const response = await fetch(`${tenant.origin}/oidc/token`, { method: 'POST', body });
  return (await response.json()).access_token;
}

// The name of the session: a new one by password, or the one behind the handle with one factor more.
async function authenticated(tenant, values) {
  const { sidegate, secret } = tenant.settings;
  const bearer = await clientToken(tenant, values.app);
  const api = (path, body) => posted(`${tenant.origin}/cis/v1/auth/${path}`, bearer, body);
  if (!values.handle) return (await api('password/authenticate', { username: values.username, password: values.password })).json.session_id;
  const redeemed = await posted(`${sidegate}/.auth/sessions/redeem`, secret, { provider: values.app, handle: values.handle });
  const session_id = redeemed.json.session_id;
  if (!session_id) return undefined;
  await api('otp/send', { session_id });
  return (await api('otp/authenticate', { session_id, passcode: values.passcode })).json.session_id;
}

const led = (location, headers) => ({ status: 303, headers: { ...headers, location }, body: '' });

export async function handIn(tenant, request) {
  const { values } = single(request.form);
  const session = await authenticated(tenant, values);
  if (!session) return page(401, 'Wrong name or password', 'not authenticated');
  const { sidegate, secret, handover } = tenant.settings;
  if (handover === 'header') return led(values.return_to, { 'x-edge-session': JSON.stringify({ provider: values.app, session_id: session }) });
  const { status, json } = await posted(`${sidegate}/.auth/sessions`, secret, { provider: values.app, session_id: session, state: values.state });
  if (status !== 200) return page(502, 'The session is not taken', JSON.stringify(json));
  return led(`${values.adopt}?handle=${encodeURIComponent(json.handle)}`);
}
