// Sessions that Mosaic keeps for backends: begun by a login service, used by apps, ended by either. All is asked for with a token of a
// client; whose, decides for whom tokens are. Errors have a `message`.

import { random } from './tenant.mjs';

const PASSCODE = '123456';
const KNOWN = {
  authenticate: ['session_id', 'resource', 'claims', 'org_id', 'client_attributes'],
  logout: ['session_id'],
  password: ['username', 'password', 'session_id', 'resource', 'claims', 'client_attributes'],
  otpSend: ['session_id', 'channel'],
  otp: ['session_id', 'passcode', 'resource', 'claims', 'client_attributes'],
};
const wrong = (status, message, headers) => ({ status, headers, json: { message, error_code: status }, refused: message });
const gone = () => wrong(400, 'Session not found');

// The client that asks: { client_id }, or { answer } where it may not.
function asked(tenant, request) {
  const text = /^Bearer ([\w.-]+)$/.exec(request.headers.authorization ?? '')?.[1];
  const found = tenant.clientTokens.get(text);
  if (!found || found.exp <= tenant.now()) return { answer: wrong(401, 'Unauthorized') };
  const { rate, retry_after: pause } = tenant.settings;
  const times = (tenant.times.get(found.client_id) ?? []).filter((time) => time > tenant.now() - 60);
  if (rate !== undefined && times.length >= rate) return { answer: wrong(429, 'Too many requests', { 'retry-after': String(pause) }) };
  tenant.times.set(found.client_id, [...times, tenant.now()]);
  return found;
}

// What is said, if it is a JSON object of known members.
function told(request, known) {
  if (request.headers['content-type'] !== 'application/json') return undefined;
  try {
    const members = JSON.parse(request.body);
    return Object.keys(members).every((name) => known.includes(name)) ? members : undefined;
  } catch {
    return undefined;
  }
}

// { client, members }, or { answer }.
function received(tenant, request, known) {
  const { client_id: client, answer } = asked(tenant, request);
  if (answer) return { answer };
  const members = told(request, known);
  return members ? { client, members } : { answer: wrong(400, 'Invalid request') };
}

// The session of that name, if it lives: each use gives it another two weeks.
function living(tenant, id) {
  const session = tenant.sessions.get(id);
  if (!session) return undefined;
  if (tenant.now() >= session.used + tenant.settings.idle) {
    tenant.end(session);
    return undefined;
  }
  session.used = tenant.now();
  return session;
}

async function tokens(tenant, client, session, resource) {
  const grant = { sub: session.sub, client_id: client, sid: session.sid, auth_time: session.auth_time, amr: session.amr, resource };
  const access = await tenant.accessToken(grant);
  session.clients.add(client);
  const json = { access_token: access, id_token: await tenant.idToken(grant, access), refresh_token: random(), token_type: 'Bearer', expires_in: tenant.settings.expires_in };
  if (tenant.settings.names_session === 'new') {
    tenant.sessions.delete(session.id);
    session.id = random();
    tenant.sessions.set(session.id, session);
  }
  if (tenant.settings.names_session) json.session_id = session.id;
  return { json };
}

export async function authenticateSession(tenant, request) {
  const { client, members, answer } = received(tenant, request, KNOWN.authenticate);
  if (answer) return answer;
  const { session_status: status } = tenant.settings;
  if (status) return wrong(status, `told to answer ${status}`);
  const attributes = members.client_attributes;
  if (attributes && !Object.keys(attributes).every((name) => ['user_agent', 'ip_address'].includes(name))) return wrong(400, 'Invalid client_attributes');
  const session = living(tenant, members.session_id);
  return session ? tokens(tenant, client, session, members.resource) : gone();
}

export function endSession(tenant, request) {
  const { members, answer } = received(tenant, request, KNOWN.logout);
  if (answer) return answer;
  const { logout_status: status } = tenant.settings;
  if (status) return wrong(status, `told to answer ${status}`);
  const session = tenant.sessions.get(members.session_id);
  if (!session) return gone();
  tenant.end(session);
  return { status: 204, body: '' };
}

export async function password(tenant, request) {
  const { client, members, answer } = received(tenant, request, KNOWN.password);
  if (answer) return answer;
  if (!tenant.people[members.username] || members.password !== 'password') return wrong(401, 'Wrong credentials');
  return tokens(tenant, client, tenant.begin(members.username, ['pwd']), members.resource);
}

export function sendOtp(tenant, request) {
  const { members, answer } = received(tenant, request, KNOWN.otpSend);
  if (answer) return answer;
  if (!living(tenant, members.session_id)) return gone();
  tenant.passcodes.add(members.session_id);
  return { json: { message: 'sent' } };
}

// A further factor for the same session.
export async function otp(tenant, request) {
  const { client, members, answer } = received(tenant, request, KNOWN.otp);
  if (answer) return answer;
  const session = living(tenant, members.session_id);
  if (!session) return gone();
  if (!tenant.passcodes.delete(session.id) || members.passcode !== PASSCODE) return wrong(401, 'Wrong passcode');
  session.amr = [...new Set([...session.amr, 'eotp'])];
  session.auth_time = tenant.now();
  return tokens(tenant, client, session, members.resource);
}
