// The authorization endpoint (RFC 6749 §3.1, OpenID Connect Core §3.1.2) and pushed requests (RFC 9126).
//
// Nobody is asked for a password: whoever `login_hint` or the test names is signed in. All else is checked.

import { oauthError, page } from './answer.mjs';
import { authenticate } from './client.mjs';
import { changed } from './misbehaviours.mjs';
import { now, random } from './provider.mjs';
import { cookie, single } from './request.mjs';

const MODES = ['query', 'form_post'];
const PROMPTS = ['none', 'login', 'consent', 'select_account'];
const REQUEST_URI = 'urn:ietf:params:oauth:request_uri:';
const PUSHED_SECONDS = 60;

// What must not be answered by a redirect: nobody knows where to (RFC 6749 §4.1.2.1).
function wrongClient(provider, values) {
  const client = provider.clients.get(values.client_id);
  if (!client) return `client_id ${values.client_id} is not registered`;
  if (!client.redirect_uris.includes(values.redirect_uri)) return `redirect_uri ${values.redirect_uri} is not registered`;
  return undefined;
}

// [error, reason] of what a redirect tells the client.
function wrongRequest(values) {
  const scopes = (values.scope ?? '').split(' ');
  const prompts = values.prompt === undefined ? [] : values.prompt.split(' ');
  const challenge = values.code_challenge ?? '';
  const rules = [
    [values.response_type === 'code', 'unsupported_response_type', `response_type ${values.response_type}`],
    [MODES.includes(values.response_mode ?? 'query'), 'invalid_request', `response_mode ${values.response_mode}`],
    [scopes.includes('openid'), 'invalid_scope', 'scope lacks openid'],
    [new Set(scopes).size === scopes.length && !scopes.includes(''), 'invalid_scope', `scope ${values.scope}`],
    [(values.state ?? '').length > 0, 'invalid_request', 'state is missing'],
    [(values.nonce ?? '').length >= 16, 'invalid_request', 'nonce is missing or short'],
    [values.code_challenge_method === 'S256', 'invalid_request', 'code_challenge_method is not S256'],
    [/^[\w-]{43}$/.test(challenge), 'invalid_request', 'code_challenge is not a SHA-256'],
    [prompts.every((prompt) => PROMPTS.includes(prompt)), 'invalid_request', `prompt ${values.prompt}`],
    [!prompts.includes('none') || prompts.length === 1, 'invalid_request', 'prompt none stands beside others'],
    [/^\d+$/.test(values.max_age ?? '0'), 'invalid_request', `max_age ${values.max_age}`],
    [values.request === undefined, 'request_not_supported', 'request is not supported'],
  ];
  return rules.find(([holds]) => !holds)?.slice(1);
}

// The parameters: as given, or as pushed before.
function requested(provider, request) {
  const { values, twice } = single(request.method === 'GET' ? request.query : request.form);
  if (twice) return { wrong: `${twice} is there twice` };
  if (values.request_uri === undefined) {
    const client = provider.clients.get(values.client_id);
    return client?.require_pushed ? { wrong: 'this client must push its requests' } : { values };
  }
  const pushed = provider.pushed.get(values.request_uri);
  provider.pushed.delete(values.request_uri);
  if (!pushed || pushed.expires < now()) return { wrong: 'request_uri is unknown, used or expired' };
  if (pushed.values.client_id !== values.client_id) return { wrong: 'request_uri is of another client' };
  const beside = Object.keys(values).filter((name) => !['client_id', 'request_uri'].includes(name));
  return beside.length > 0 ? { wrong: `${beside} stands beside request_uri` } : { values: pushed.values };
}

// The session at the provider that answers the request: the browser's, if it will do, or one just begun.
function signedIn(provider, request, values) {
  const id = cookie(request, 'op_session');
  const session = provider.sessions.get(id);
  const age = session ? now() - session.auth_time : Infinity;
  const isFresh = age <= Number(values.max_age ?? Infinity);
  if (values.prompt === 'none') return session && isFresh ? { id, session } : undefined;
  const user = values.login_hint ?? provider.settings.user;
  const isKept = session?.sub === user && isFresh && !/login/.test(values.prompt ?? '');
  if (isKept) return { id, session };
  const acr = values.acr_values?.split(' ')[0];
  const begun = { sub: user, auth_time: now(), amr: acr ? ['pwd', 'mfa'] : ['pwd'], acr: acr ?? '1', sids: {} };
  const begunId = random();
  provider.sessions.set(begunId, begun);
  return { id: begunId, session: begun };
}

function newCode(provider, values, session) {
  const code = random();
  session.sids[values.client_id] ??= random();
  provider.codes.set(code, {
    client_id: values.client_id,
    redirect_uri: values.redirect_uri,
    challenge: values.code_challenge,
    scope: values.scope,
    nonce: values.nonce,
    sub: session.sub,
    auth_time: session.auth_time,
    amr: session.amr,
    acr: session.acr,
    sid: session.sids[values.client_id],
    expires: now() + 60,
  });
  return code;
}

function escaped(text) {
  return String(text).replace(/[&<>"]/g, (found) => `&#${found.charCodeAt(0)};`);
}

// The answer in the mode that was asked for: a redirect, or a form that posts itself.
function respond(provider, values, parameters, { refused, headers } = {}) {
  const mode = MODES.includes(values.response_mode) ? values.response_mode : 'query';
  const honest = { mode, parameters: { ...parameters, state: values.state, iss: provider.issuer } };
  const response = refused ? honest : changed('authorization', honest, provider.misbehaviour('authorization'));
  const pairs = Object.entries(response.parameters).filter(([, value]) => value !== undefined);
  for (const name of response.duplicate ?? []) pairs.push([name, response.parameters[name]]);
  if (response.mode === 'form_post') {
    const fields = pairs.map(([name, value]) => `<input type="hidden" name="${escaped(name)}" value="${escaped(value)}">`);
    const form = `<form method="post" action="${escaped(values.redirect_uri)}">${fields.join('')}</form>`;
    return { status: 200, headers, html: `<!doctype html><body onload="document.forms[0].submit()">${form}`, refused };
  }
  const mark = response.mode === 'fragment' ? '#' : '?';
  const location = `${values.redirect_uri}${mark}${new URLSearchParams(pairs)}`;
  return { status: 303, headers: { ...headers, location }, refused };
}

export function authorize(provider, request) {
  const { values, wrong } = requested(provider, request);
  const unredirected = wrong ?? wrongClient(provider, values);
  if (unredirected) return page(400, 'This sign-in cannot go on', unredirected);
  const [error, reason] = wrongRequest(values) ?? [];
  if (error) return respond(provider, values, { error, error_description: reason }, { refused: reason });
  const signed = signedIn(provider, request, values);
  if (!signed) return respond(provider, values, { error: 'login_required', error_description: 'nobody is signed in' });
  const path = new URL(provider.issuer).pathname;
  const headers = { 'set-cookie': `op_session=${signed.id}; Path=${path}; HttpOnly; SameSite=Lax` };
  return respond(provider, values, { code: newCode(provider, values, signed.session) }, { headers });
}

export async function push(provider, request) {
  const { client, wrong } = await authenticate(provider, request);
  if (wrong) return wrong;
  const { values, twice } = single(request.form);
  if (twice) return oauthError(400, 'invalid_request', `${twice} is there twice`);
  if (values.request_uri !== undefined) return oauthError(400, 'invalid_request', 'request_uri must not be pushed');
  for (const name of ['client_secret', 'client_assertion', 'client_assertion_type']) delete values[name];
  const [error, reason] = wrongRequest(values) ?? [];
  const complaint = wrongClient(provider, { ...values, client_id: client.client_id }) ?? reason;
  if (complaint) return oauthError(400, error ?? 'invalid_request', complaint);
  const uri = `${REQUEST_URI}${random()}`;
  provider.pushed.set(uri, { values: { ...values, client_id: client.client_id }, expires: now() + PUSHED_SECONDS });
  return { status: 201, json: { request_uri: uri, expires_in: PUSHED_SECONDS } };
}
