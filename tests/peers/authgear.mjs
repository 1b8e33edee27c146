// A strict stand-in for Authgear: what its server does with sessions, tokens and its resolver, and what it refuses.
//
// Written from Authgear's documents and the behaviour of its server, not from its code. It listens on loopback, as
// https://auth.edge.test:PORT (listen.mjs). Tests steer it under /__test/.
import { createHash, randomBytes, randomUUID } from 'node:crypto'
import { SignJWT, calculateJwkThumbprint, decodeProtectedHeader, exportJWK, generateKeyPair, importJWK, jwtVerify } from 'jose'
import { listen } from './listen.mjs'

const PRE_AUTHENTICATED = 'https://authgear.com/scopes/pre-authenticated-url'
const CLAIMS = 'https://authgear.com/claims/user/'
const GRANT = 'urn:authgear:params:oauth:grant-type:'
const PRE_AUTHENTICATED_TYPE = 'urn:authgear:params:oauth:response-type:pre-authenticated-url token'

const { publicKey, privateKey } = await generateKeyPair('RS256')
const jwk = { ...(await exportJWK(publicKey)), use: 'sig', alg: 'RS256' }
jwk.kid = await calculateJwkThumbprint(jwk)

const users = new Map(), clients = new Map(), sessions = new Map(), grants = new Map(), access = new Map()
const codes = new Map(), challenges = new Map(), urlTokens = new Map(), log = []
let settings = { cookie_domain: 'edge.test', cookie_prefix: '', fault: null }
let issuer

const random = () => randomBytes(24).toString('base64url')
const now = () => Math.floor(Date.now() / 1000)
const sha256hex = (text) => createHash('sha256').update(text).digest('hex')

class Refused extends Error {
  constructor(error, description) { super(description); this.error = error }
}

const refuse = (error, description) => { throw new Refused(error, description) }

function user(sub) {
  if (!users.has(sub)) users.set(sub, { sub, amr: ['pwd'], roles: [], anonymous: false, verified: true, reauthenticate: true, disabled: false })
  return users.get(sub)
}

const about = ({ sub }) => {
  const { anonymous, verified, reauthenticate, roles } = user(sub)
  return {
    [`${CLAIMS}is_anonymous`]: anonymous, [`${CLAIMS}is_verified`]: verified,
    [`${CLAIMS}can_reauthenticate`]: reauthenticate, ...(roles.length ? { [`${CLAIMS}roles`]: roles } : {}),
  }
}

const strength = ({ amr, auth_time }) => ({ ...(amr.length ? { amr } : {}), auth_time })

const sign = (claims, typ) => new SignJWT(claims).setProtectedHeader({ alg: 'RS256', kid: jwk.kid, ...(typ ? { typ } : {}) }).sign(privateKey)

// Credentials and whom they name -------------------------------------------------------------------------------------------

const alive = (session) => session && !session.ended && !user(session.sub).disabled
const grantAlive = (grant) => alive(grant) && (!grant.sso || alive(sessions.get(grant.sso)))

function byAccess(token) {
  const found = access.get(token)
  return found && found.expires > now() && grantAlive(found.grant) && found.grant.access === token ? found.grant : null
}

function cookiesOf(request) {
  const found = new Map()
  for (const pair of (request.headers.cookie ?? '').split(';')) {
    const [name, ...rest] = pair.trim().split('=')
    // As the server's library has it, the first of a name counts.
    if (name && !found.has(name)) found.set(name, rest.join('='))
  }
  return found
}

const idpSession = (request) => {
  const session = sessions.get(cookiesOf(request).get(`${settings.cookie_prefix}session`))
  return alive(session) ? session : null
}

// In the order of the server: an invalid credential does not stop those behind it.
function resolve(request) {
  const cookies = cookiesOf(request), prefix = settings.cookie_prefix
  const bearer = /^bearer +(.+)$/i.exec(request.headers.authorization ?? '')?.[1]
  const offered = [
    [bearer, byAccess],
    [cookies.get(`${prefix}app_session`), (token) => { const grant = grants.get(token); return grant && grantAlive(grant) ? grant : null }],
    [cookies.get(`${prefix}app_access_token`), byAccess],
    [cookies.get(`${prefix}session`), (token) => (alive(sessions.get(token)) ? sessions.get(token) : null)],
  ].filter(([token]) => token)
  const valid = offered.map(([token, find]) => find(token)).find((found) => found)
  return { offered: offered.length > 0, valid, session: cookies.has(`${prefix}session`) }
}

function resolver(request, response) {
  const { fault } = settings
  if (fault?.hang) return
  if (fault?.status) return response.writeHead(fault.status, fault.location ? { location: fault.location } : {}).end()
  if (request.headers.host !== new URL(issuer).host) return response.writeHead(404).end('app not found')
  const { offered, valid, session } = resolve(request)
  if (!offered) return response.writeHead(200, fault?.headers ?? {}).end()
  if (!valid) {
    const clear = session ? { 'set-cookie': `${settings.cookie_prefix}session=; Path=/; Domain=${settings.cookie_domain}; Expires=Thu, 01 Jan 1970 00:00:00 GMT; HttpOnly; Secure; SameSite=Lax` } : {}
    return response.writeHead(200, { 'x-authgear-session-valid': 'false', ...clear }).end()
  }
  const { anonymous, verified, reauthenticate, roles } = user(valid.sub)
  response.writeHead(200, {
    'x-authgear-session-valid': 'true', 'x-authgear-user-id': valid.sub, 'x-authgear-user-anonymous': String(anonymous),
    'x-authgear-user-verified': String(verified), 'x-authgear-user-can-reauthenticate': String(reauthenticate),
    'x-authgear-session-amr': valid.amr.join(settings.amr_separator ?? ' '), 'x-authgear-session-authenticated-at': String(valid.auth_time),
    ...(roles.length ? { 'x-authgear-user-roles': roles.join(',') } : {}), ...fault?.headers,
  }).end()
}

// Signing in ---------------------------------------------------------------------------------------------------------------

function redirectAllowed(client, uri) {
  const { origin } = new URL(uri)
  return client.redirect_uris.includes(uri) || origin === issuer
}

const badRequest = (response, error, description) =>
  response.writeHead(400, { 'content-type': 'text/plain' }).end(`Invalid OAuth authorization request:\nerror: ${error}\nerror_description: ${description}\n`)

function sendBack(response, uri, params, headers = {}) {
  const target = new URL(uri)
  for (const [name, value] of Object.entries(params)) if (value !== undefined && value !== null) target.searchParams.set(name, value)
  response.writeHead(303, { location: target.href, 'content-type': 'text/html', ...headers }).end('<html></html>')
}

const sessionCookie = (token) => {
  const domain = settings.cookie_domain ? `; Domain=${settings.cookie_domain}` : ''
  return `${settings.cookie_prefix}session=${token}; Path=/; Max-Age=31449600${domain}; HttpOnly; Secure; SameSite=Lax`
}

function authorize(request, response, query) {
  const client = clients.get(query.get('client_id'))
  if (!client) return badRequest(response, 'unauthorized_client', 'invalid client ID')
  const uri = query.get('redirect_uri')
  if (query.get('response_type') === PRE_AUTHENTICATED_TYPE) return preAuthenticated(response, query, client, uri)
  if (!redirectAllowed(client, uri)) return badRequest(response, 'invalid_request', 'redirect URI is not allowed')
  const state = query.get('state')
  const error = (error, description) => sendBack(response, uri, { error, error_description: description, state })
  const type = query.get('response_type'), prompt = query.get('prompt')
  if (!['code', 'none'].includes(type)) return error('unsupported_response_type', 'only code and none')
  if (type === 'code' && !client.client_secret && query.get('code_challenge_method') !== 'S256') return error('invalid_request', 'PKCE code challenge is required for public clients')
  if (prompt === 'none' && query.has('max_age')) return error('invalid_request', 'max_age with prompt=none')
  const sso = query.get('x_sso_enabled') ?? (query.get('x_suppress_idp_session_cookie') === 'true' ? 'false' : null)
  const session = sso === 'false' ? null : idpSession(request)
  if (session && prompt !== 'login' && query.get('max_age') !== '0') return finish(response, query, client, session, sso)
  if (prompt === 'none') return error('login_required', 'authentication required')
  const hidden = `<input type="hidden" name="query" value="${query.toString().replaceAll('&', '&amp;')}">`
  response.writeHead(200, { 'content-type': 'text/html' }).end(`<html><body><h1>Authgear login</h1><form method="post" action="/login">${hidden}<input name="login"><button>Sign in</button></form></body></html>`)
}

function login(request, response, form) {
  const query = new URLSearchParams(form.get('query')), client = clients.get(query.get('client_id'))
  const person = user(form.get('login'))
  const session = { sub: person.sub, amr: person.amr, auth_time: now(), token: random() }
  if (query.get('x_sso_enabled') === 'false') return finish(response, query, client, session, 'false')
  const before = idpSession(request)
  if (before) before.ended = true
  sessions.set(session.token, session)
  finish(response, query, client, session, query.get('x_sso_enabled'), { 'set-cookie': sessionCookie(session.token) })
}

function finish(response, query, client, session, sso, headers = {}) {
  const uri = query.get('redirect_uri'), state = query.get('state')
  if (query.get('response_type') === 'none') return sendBack(response, uri, { state }, headers)
  const code = random()
  codes.set(code, {
    client, uri, challenge: query.get('code_challenge'), nonce: query.get('nonce'), scope: query.get('scope') ?? '',
    sub: session.sub, amr: session.amr, auth_time: session.auth_time, sso: sso === 'true' ? session.token : null,
  })
  sendBack(response, uri, { code, state }, headers)
}

// Tokens -------------------------------------------------------------------------------------------------------------------

async function tokens(grant, nonce) {
  const { client } = grant
  grant.access = random()
  if (client.issue_jwt_access_token) {
    const claims = { iss: issuer, aud: [issuer], iat: now(), exp: now() + 1800, sub: grant.sub, client_id: client.client_id, scope: grant.scope, jti: sha256hex(grant.access), ...strength(grant), ...about(grant) }
    grant.access = await sign(claims, 'at+jwt')
  }
  const expires_in = settings.expires_in ?? 1800
  access.set(grant.access, { grant, expires: now() + expires_in })
  return { token_type: 'Bearer', access_token: grant.access, expires_in, refresh_token: grant.refresh, id_token: await idToken(grant, nonce), ...(grant.secret ? { device_secret: grant.secret } : {}) }
}

const idToken = (grant, nonce) => sign({
  iss: issuer, aud: [grant.client.client_id], sub: grant.sub, iat: now(), exp: now() + 300, sid: grant.sid, ...(nonce ? { nonce } : {}),
  ...(grant.secret ? { ds_hash: sha256hex(grant.secret) } : {}), ...strength(grant), ...about(grant),
})

function newGrant(code, app2app) {
  const id = randomUUID()
  const grant = { ...code, id, refresh: `${id}.${random()}`, sid: Buffer.from(`offline_grant:${id}`).toString('base64url'), app2app }
  if (code.scope.split(' ').includes('device_sso')) grant.secret = random()
  grants.set(grant.refresh, grant)
  return grant
}

function authenticated(request, form) {
  const basic = /^Basic (.+)$/.exec(request.headers.authorization ?? '')
  const [id, secret] = basic ? Buffer.from(basic[1], 'base64').toString().split(':').map((text) => decodeURIComponent(text.replaceAll('+', ' '))) : [form.get('client_id'), form.get('client_secret')]
  const client = clients.get(id)
  if (!client) refuse('invalid_client', 'invalid client ID')
  if (client.client_secret && client.client_secret !== secret) refuse('invalid_client', 'invalid client secret')
  return client
}

async function deviceKey(text, action, known) {
  const header = decodeProtectedHeader(text)
  if (header.typ !== 'vnd.authgear.app2app-request' || !/^[-\w]{8,64}$/.test(header.kid ?? '')) refuse('invalid_request', 'invalid app2app jwt')
  if (!['ES256', 'RS256'].includes(header.alg)) refuse('invalid_request', 'invalid app2app jwt signature')
  const key = known ?? header.jwk
  const { payload } = await jwtVerify(text, await importJWK(key, header.alg)).catch(() => refuse('invalid_request', 'invalid app2app jwt signature'))
  const challenge = challenges.get(payload.challenge)
  challenges.delete(payload.challenge)
  if (!challenge || challenge < now() || payload.exp > payload.iat + 60) refuse('invalid_request', 'invalid app2app jwt challenge')
  if (payload.action !== action) refuse('invalid_request', 'invalid app2app jwt payload')
  return key
}

async function token(request, form) {
  const client = authenticated(request, form)
  switch (form.get('grant_type')) {
    case 'authorization_code': {
      const code = codes.get(form.get('code'))
      codes.delete(form.get('code'))
      if (!code || code.client !== client) refuse('invalid_grant', 'invalid code')
      if (code.uri !== form.get('redirect_uri')) refuse('invalid_request', 'invalid redirect URI')
      const verifier = createHash('sha256').update(form.get('code_verifier') ?? '').digest('base64url')
      if (code.challenge ? code.challenge !== verifier : !client.client_secret) refuse('invalid_grant', 'invalid code verifier')
      const jwt = form.get('x_app2app_device_key_jwt')
      return tokens(newGrant(code, jwt ? await deviceKey(jwt, 'setup') : undefined), code.nonce)
    }
    case 'refresh_token': {
      const grant = grants.get(form.get('refresh_token'))
      if (!grant || grant.client !== client || !grantAlive(grant)) refuse('invalid_grant', 'invalid refresh token')
      return tokens(grant)
    }
    case `${GRANT}app2app-request`: {
      const grant = grants.get(form.get('refresh_token'))
      if (!client.x_app2app_enabled) refuse('invalid_request', 'app2app disabled')
      if (!grant || !grantAlive(grant)) refuse('invalid_grant', 'invalid refresh token')
      if (!grant.app2app) refuse('invalid_grant', 'app2app is not allowed in current session')
      await deviceKey(form.get('jwt'), 'approve', grant.app2app)
      if (!client.redirect_uris.includes(form.get('redirect_uri'))) refuse('invalid_request', 'redirect URI is not allowed')
      const code = random()
      // No amr, and as if the person had signed in just now: what the server really does.
      codes.set(code, { client, uri: form.get('redirect_uri'), challenge: form.get('code_challenge'), scope: 'openid offline_access', sub: grant.sub, amr: [], auth_time: now(), sso: null })
      return { code }
    }
    case 'urn:ietf:params:oauth:grant-type:token-exchange': return exchange(client, form)
    default: refuse('unsupported_grant_type', 'grant type is not supported')
  }
}

async function exchange(client, form) {
  if (form.get('requested_token_type') !== 'urn:authgear:params:oauth:token-type:pre-authenticated-url-token') refuse('invalid_request', 'requested_token_type not supported')
  if (form.get('audience') !== issuer) refuse('invalid_request', `expected audience to be ${issuer}`)
  if (form.get('subject_token_type') !== 'urn:ietf:params:oauth:token-type:id_token') refuse('invalid_request', 'subject_token_type not supported')
  const { payload } = await jwtVerify(form.get('subject_token'), publicKey, { issuer }).catch(() => refuse('invalid_request', 'subject_token is not a valid id token'))
  const grant = [...grants.values()].find((one) => one.sid === payload.sid)
  if (!grant || !grantAlive(grant)) refuse('invalid_grant', 'sid is invalid')
  if (!form.get('actor_token') || payload.ds_hash !== sha256hex(form.get('actor_token')) || grant.secret !== form.get('actor_token')) refuse('invalid_grant', 'device_secret is not bound')
  if (!client.x_pre_authenticated_url_enabled || !grant.client.x_pre_authenticated_url_enabled || !grant.scope.split(' ').includes(PRE_AUTHENTICATED)) refuse('insufficient_scope', 'pre-authenticated url is not allowed for this session')
  grant.secret = random()
  const url = random()
  urlTokens.set(url, { grant, client, expires: now() + 300 })
  return { access_token: url, issued_token_type: 'urn:authgear:params:oauth:token-type:pre-authenticated-url-token', token_type: 'Bearer', expires_in: 300, device_secret: grant.secret, id_token: await idToken(grant) }
}

async function preAuthenticated(response, query, client, uri) {
  const found = urlTokens.get(query.get('x_pre_authenticated_url_token'))
  urlTokens.delete(query.get('x_pre_authenticated_url_token'))
  const allowed = client.x_pre_authenticated_url_allowed_origins?.includes(new URL(uri).origin)
  if (!allowed) return badRequest(response, 'invalid_request', 'redirect URI is not allowed')
  if (query.get('prompt') !== 'none' || query.get('response_mode') !== 'cookie' || !query.get('id_token_hint')) return badRequest(response, 'invalid_request', 'prompt=none, response_mode=cookie and id_token_hint are required')
  if (!found || found.client !== client || found.expires < now()) return badRequest(response, 'invalid_grant', 'invalid pre-authenticated url token')
  const { access_token } = await tokens({ ...found.grant, client }).then(async (made) => {
    // The token is the web's own; it lives and ends with the app's grant.
    const grant = { ...found.grant, access: made.access_token, get ended() { return found.grant.ended } }
    access.set(made.access_token, { grant, expires: now() + 1800 })
    return made
  })
  const cookie = `${settings.cookie_prefix}app_access_token=${access_token}; Path=/; Domain=${settings.cookie_domain}; HttpOnly; Secure; SameSite=Lax`
  sendBack(response, uri, { state: query.get('state') }, { 'set-cookie': cookie })
}

// Endings ------------------------------------------------------------------------------------------------------------------

function endGroup(token) {
  const session = sessions.get(token)
  if (session) session.ended = true
  for (const grant of grants.values()) if (grant.sso === token) grant.ended = true
}

function revoke(form) {
  const grant = grants.get(form.get('token'))
  if (!grant) return {}
  grant.ended = true
  if (grant.sso) endGroup(grant.sso)
  return {}
}

function endSession(request, response, query) {
  const session = idpSession(request), uri = query.get('post_logout_redirect_uri')
  const known = [...clients.values()].some((client) => client.post_logout_redirect_uris?.includes(uri))
  if (session) endGroup(session.token)
  const clear = { 'set-cookie': `${settings.cookie_prefix}session=; Path=/; Domain=${settings.cookie_domain}; Max-Age=0` }
  sendBack(response, known ? uri : `${issuer}/settings`, { state: known ? query.get('state') : null }, clear)
}

// What is published, as the server has it: nothing of the cookie mode, of pre-authenticated addresses and of most grants.
const discovery = () => {
  const at = (name) => `${issuer}/oauth2/${name}`
  return {
    issuer, authorization_endpoint: at('authorize'), token_endpoint: at('token'), userinfo_endpoint: at('userinfo'),
    revocation_endpoint: at('revoke'), end_session_endpoint: at('end_session'), jwks_uri: at('jwks'),
    response_types_supported: ['code', 'urn:authgear:params:oauth:response-type:settings-action', 'none'],
    response_modes_supported: ['query', 'fragment', 'form_post'],
    grant_types_supported: ['authorization_code', 'refresh_token', 'client_credentials'],
    scopes_supported: ['offline_access', 'device_sso', 'openid', 'profile', 'email', PRE_AUTHENTICATED],
    subject_types_supported: ['public'], id_token_signing_alg_values_supported: ['RS256'], code_challenge_methods_supported: ['S256'],
    token_endpoint_auth_methods_supported: ['none', 'client_secret_post', 'client_secret_basic'],
    dpop_signing_alg_values_supported: ['ES256', 'RS256'],
  }
}

function userinfo(request, response) {
  const grant = byAccess(/^bearer +(.+)$/i.exec(request.headers.authorization ?? '')?.[1])
  return grant ? json(response, { sub: grant.sub, ...about(grant) }) : json(response, { error: 'invalid_token' }, 401)
}

// Steering -----------------------------------------------------------------------------------------------------------------

const commands = {
  client: (client) => { clients.set(client.client_id, client); return {} },
  user: (told) => Object.assign(user(told.sub), told),
  settings: (told) => { settings = { ...settings, ...told }; return settings },
  session: ({ sub }) => {
    const { amr } = user(sub), session = { sub, amr, auth_time: now(), token: random() }
    sessions.set(session.token, session)
    return { session: session.token, cookie: sessionCookie(session.token) }
  },
  grant: async ({ sub, client_id, sso, scope }) => {
    const { amr } = user(sub)
    return tokens(newGrant({ client: clients.get(client_id), sub, amr, auth_time: now(), scope: scope ?? 'openid offline_access', sso }))
  },
  end: ({ session }) => { endGroup(session); return {} },
  log: () => log,
  forget: () => { log.length = 0; return {} },
}

const read = async (request) => {
  let body = ''
  for await (const chunk of request) body += chunk
  return body
}

async function answer(request, response) {
  const url = new URL(request.url, issuer), body = await read(request), form = new URLSearchParams(body)
  if (url.pathname.startsWith('/__test/')) return json(response, await commands[url.pathname.slice(8)](body ? JSON.parse(body) : {}))
  log.push({ endpoint: url.pathname, query: url.search, headers: request.headers, body })
  switch (`${request.method} ${url.pathname}`) {
    case 'GET /_resolver/resolve': case 'HEAD /_resolver/resolve': return resolver(request, response)
    case 'GET /.well-known/openid-configuration': return json(response, discovery())
    case 'GET /oauth2/userinfo': return userinfo(request, response)
    case 'GET /oauth2/jwks': return json(response, { keys: [jwk] })
    case 'GET /oauth2/authorize': return authorize(request, response, url.searchParams)
    case 'POST /login': return login(request, response, form)
    case 'POST /oauth2/token': return json(response, await token(request, form))
    case 'POST /oauth2/challenge': {
      const challenge = random()
      challenges.set(challenge, now() + 300)
      return json(response, { result: { token: challenge, expire_at: new Date((now() + 300) * 1000).toISOString() } })
    }
    case 'POST /oauth2/revoke': return json(response, revoke(form))
    case 'GET /oauth2/end_session': return endSession(request, response, url.searchParams)
    default: return response.writeHead(404).end()
  }
}

const json = (response, value, status = 200) =>
  response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' }).end(JSON.stringify(value))

issuer = await listen('auth.edge.test', (request, response) => {
  answer(request, response).catch((error) => {
    if (error instanceof Refused) return json(response, { error: error.error, error_description: error.message }, 400)
    console.error(error)
    response.writeHead(500).end(String(error))
  })
})
console.log(JSON.stringify({ issuer }))
