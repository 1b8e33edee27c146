// The authorization endpoint (RFC 6749 §3.1, OpenID Connect Core §3.1.2) with a page where people sign in.

import { page } from '../misbehaving/answer.mjs';
import { single } from '../misbehaving/request.mjs';
import { random } from './tenant.mjs';

const STANDARD = [
  'client_id', 'redirect_uri', 'response_type', 'response_mode', 'scope', 'state', 'nonce', 'code_challenge', 'code_challenge_method',
  'prompt', 'max_age', 'acr_values', 'login_hint', 'ui_locales', 'display', 'id_token_hint',
];
const CODE_SECONDS = 60;

// What must not be answered by a redirect: nobody knows where to (RFC 6749 §4.1.2.1).
function wrongClient(tenant, values) {
  const client = tenant.clients.get(values.client_id);
  if (!client) return `client_id ${values.client_id} is not registered`;
  if (!client.redirect_uris.includes(values.redirect_uri)) return `redirect_uri ${values.redirect_uri} is not registered`;
  return undefined;
}

// [error, reason] of what a redirect tells the client.
function wrongRequest(tenant, values) {
  const known = [...STANDARD, ...tenant.authorizeParameters];
  const scopes = (values.scope ?? '').split(' ');
  const prompts = values.prompt === undefined ? [] : values.prompt.split(' ');
  const rules = [
    [Object.keys(values).every((name) => known.includes(name)), 'invalid_request', `one of ${Object.keys(values)} is no parameter`],
    [values.response_type === 'code', 'unsupported_response_type', `response_type ${values.response_type}`],
    [['query', 'form_post', 'web_message'].includes(values.response_mode ?? 'query'), 'invalid_request', `response_mode ${values.response_mode}`],
    [scopes.includes('openid'), 'invalid_scope', 'scope lacks openid'],
    [scopes.every((scope) => tenant.scopes.includes(scope)), 'invalid_scope', `scope ${values.scope}`],
    [(values.state ?? '').length > 0, 'invalid_request', 'state is missing'],
    [(values.nonce ?? '').length >= 16, 'invalid_request', 'nonce is missing or short'],
    [values.code_challenge_method === 'S256', 'invalid_request', 'code_challenge_method is not S256'],
    [/^[\w-]{43}$/.test(values.code_challenge ?? ''), 'invalid_request', 'code_challenge is not a SHA-256'],
    [prompts.every((prompt) => ['none', 'login', 'consent', 'select_account'].includes(prompt)), 'invalid_request', `prompt ${values.prompt}`],
    [!prompts.includes('none') || prompts.length === 1, 'invalid_request', 'prompt none stands beside others'],
    [/^\d+$/.test(values.max_age ?? '0'), 'invalid_request', `max_age ${values.max_age}`],
  ];
  return rules.find(([holds]) => !holds)?.slice(1) ?? tenant.wrongRequest(values);
}

const escaped = (text) => String(text).replace(/[&<>"]/g, (found) => `&#${found.charCodeAt(0)};`);
const field = (name, value) => `<input type="hidden" name="${escaped(name)}" value="${escaped(value)}">`;

// The answer in the mode that was asked for. Neither system says who it is: there is no `iss`.
export function respond(values, parameters, { refused, headers } = {}) {
  const given = Object.entries({ ...parameters, state: values.state }).filter(([, value]) => value !== undefined);
  if (values.response_mode === 'form_post') {
    const form = `<form method="post" action="${escaped(values.redirect_uri)}">${given.map(([name, value]) => field(name, value)).join('')}</form>`;
    return { status: 200, headers, html: `<!doctype html><body onload="document.forms[0].submit()">${form}`, refused };
  }
  if (values.response_mode === 'web_message') {
    const message = JSON.stringify({ type: 'authorization_response', response: Object.fromEntries(given) }).replaceAll('<', '\\u003c');
    const target = JSON.stringify(new URL(values.redirect_uri).origin);
    return { status: 200, headers, html: `<!doctype html><script>parent.postMessage(${message}, ${target})</script>`, refused };
  }
  const mark = values.redirect_uri.includes('?') ? '&' : '?';
  return { status: 302, headers: { ...headers, location: `${values.redirect_uri}${mark}${new URLSearchParams(given)}` }, refused };
}

function newCode(tenant, values, session, silent) {
  const code = random();
  session.used = tenant.now();
  session.clients.add(values.client_id);
  const { client_id, redirect_uri, scope, nonce, code_challenge: challenge, max_age, acr_values } = values;
  tenant.codes.set(code, {
    ...tenant.grantOf(values),
    client_id, redirect_uri, scope, nonce, challenge, max_age, acr_values, silent,
    sub: session.sub, sid: session.sid, auth_time: session.auth_time, amr: session.amr,
    expires: tenant.now() + CODE_SECONDS,
  });
  return code;
}

function loginPage(tenant, values) {
  const id = random();
  tenant.pending.set(id, values);
  const form = `<form method="post" action="${tenant.loginPath}">${field('transaction', id)}
    <input id="username" name="username"><input id="password" name="password" type="password"><input id="mfa" type="checkbox" name="mfa">
    <button type="submit">Sign in</button></form>`;
  return { status: 200, html: `<!doctype html><title>Sign in</title><h1>Sign in at ${tenant.title}</h1>${form}` };
}

// With the session of the browser, if it will do; else people are asked, or are not to be.
function answered(tenant, request, values) {
  const { error, silent_error: silentError } = tenant.settings;
  const silent = values.prompt === 'none';
  const told = error ?? (silent ? silentError : undefined);
  if (told) return respond(values, { error: told, error_description: `told to answer ${told}` });
  const session = tenant.session(request);
  const isFresh = session && tenant.now() - session.auth_time <= Number(values.max_age ?? Infinity);
  const isEnough = session && tenant.isStrong(session, values.acr_values);
  if (silent && !(session && isFresh)) return respond(values, tenant.loginRequired);
  if (silent && !isEnough) return respond(values, { error: 'interaction_required', error_description: 'a further factor is needed' });
  if (!session || !isFresh || !isEnough || /login|select_account/.test(values.prompt ?? '')) return loginPage(tenant, values);
  return respond(values, { code: newCode(tenant, values, session, true) }, { headers: { 'set-cookie': tenant.setCookie(session) } });
}

export function authorize(tenant, request) {
  let { values, twice } = single(request.method === 'GET' ? request.query : request.form);
  if (twice) return page(400, 'This sign-in cannot go on', `${twice} is there twice`);
  if (values.request_uri !== undefined) {
    const pushed = tenant.pushed.get(values.request_uri);
    tenant.pushed.delete(values.request_uri);
    const fits = pushed && pushed.expires > tenant.now() && pushed.values.client_id === values.client_id && Object.keys(values).length === 2;
    if (!fits) return page(400, 'This sign-in cannot go on', 'request_uri is unknown, used, expired, or not alone');
    ({ values } = pushed);
  }
  const unredirected = wrongClient(tenant, values);
  if (unredirected) return page(400, 'This sign-in cannot go on', unredirected);
  const [error, reason] = wrongRequest(tenant, values) ?? [];
  if (error) return respond(values, { error, error_description: reason }, { refused: reason });
  return answered(tenant, request, values);
}

// The form of the login page.
export function logIn(tenant, request) {
  const { transaction, username, password, mfa } = single(request.form).values;
  const values = tenant.pending.get(transaction);
  const person = tenant.people[username];
  if (!values) return page(400, 'This sign-in is over', 'unknown transaction');
  if (!person || password !== 'password') return page(401, 'Wrong name or password', `no such person: ${username}`);
  tenant.pending.delete(transaction);
  const factors = mfa === 'on' ? person.factors : person.factors.slice(0, 1);
  const session = tenant.begin(username, factors);
  if (!tenant.isStrong(session, values.acr_values)) {
    tenant.sessions.delete(session.id);
    return respond(values, tenant.tooWeak);
  }
  return respond(values, { code: newCode(tenant, values, session, false) }, { headers: { 'set-cookie': tenant.setCookie(session) } });
}
