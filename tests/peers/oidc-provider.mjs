// A real OpenID provider (npm `oidc-provider`) for the tests: JWT access tokens by client credentials, and sign-in of people.
//
// It listens on a free port of 127.0.0.1 and prints one line, {"issuer": "http://127.0.0.1:PORT"}. An argument, if given, is
// a JSON list of clients that sign people in. It signs with another JOSE library than sidegate's, so that a shared misreading
// cannot pass.
//
//   POST /token  grant_type=client_credentials, client ada:ada-secret (groups admin, staff) or bob:bob-secret (staff), and
//                resource=https://api.example.test/ALG[/SECONDS] with ALG one of RS256, PS256, ES256, EdDSA:
//                a token of that algorithm and lifetime (300 s unless told), audience https://api.example.test; one that is no
//                JWT for ALG opaque. A proof in `DPoP` binds it to a key. For client carol:carol-secret (staff) it is bound to the
//                certificate in the header x-test-certificate (DER in base64), as if TLS had ended before.
//   GET  /auth, /session/end, POST /request, /token/introspection, /token/revocation, GET /me
//                what clients that sign people in need; the people and their page are in oidc-provider/people.mjs
//   POST /test/rotate[?forget=1]  sign with new keys; the old ones stay published unless forgotten
//   POST /test/down, /test/up     answer 503 to everything but /test; answer again
//   POST /test/client             register one more client (JSON), or the same one anew
//   POST /test/lifetime?seconds=  how long access tokens live from now on
//   GET  /test/requests           how often each path was asked for, as JSON
//   GET  /test/logouts            what became of each back-channel logout, as JSON

import { createServer } from 'node:http';
import { X509Certificate, generateKeyPair, randomUUID } from 'node:crypto';
import { promisify } from 'node:util';
import { Provider, interactionPolicy } from 'oidc-provider';
import './names.mjs';
import { SCOPES, findAccount, interact, loadExistingGrant, logoutSource, postLogoutSuccessSource } from './oidc-provider/people.mjs';

const API = 'https://api.example.test';
const ALGORITHMS = ['RS256', 'PS256', 'ES256', 'EdDSA'];
const generate = promisify(generateKeyPair);

async function newKey(type, options) {
  const { privateKey } = await generate(type, options);
  return { ...privateKey.export({ format: 'jwk' }), use: 'sig', kid: randomUUID() };
}

const newKeys = () => Promise.all([
  newKey('rsa', { modulusLength: 2048 }),
  newKey('ec', { namedCurve: 'P-256' }),
  newKey('ed25519', {}),
]);

function client(id, groups) {
  return {
    client_id: id,
    client_secret: `${id}-secret`,
    grant_types: ['client_credentials'],
    response_types: [],
    redirect_uris: [],
    groups,
  };
}

// The last two path segments of a resource say how to sign: /ALG or /ALG/SECONDS.
function resourceServer(_ctx, resource) {
  const [algorithm, seconds] = resource.slice(API.length + 1).split('/');
  if (!resource.startsWith(`${API}/`) || ![...ALGORITHMS, 'opaque'].includes(algorithm)) {
    throw new Error(`unknown resource ${resource}`);
  }
  const format = algorithm === 'opaque'
    ? { accessTokenFormat: 'opaque' }
    : { accessTokenFormat: 'jwt', jwt: { sign: { alg: algorithm } } };
  return { scope: 'read write', audience: API, accessTokenTTL: Number(seconds ?? 300), ...format };
}

function clientCertificate(ctx) {
  const der = ctx.get('x-test-certificate');
  return der ? new X509Certificate(Buffer.from(der, 'base64')) : undefined;
}

// A client that signs people in; `registered` may change anything of it.
function relyingParty(registered) {
  return {
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    backchannel_logout_session_required: true,
    require_auth_time: true,
    ...registered,
  };
}

// Whoever is signed in more weakly than acr_values asks for signs in again.
function policy() {
  const { Check, base } = interactionPolicy;
  const prompts = base();
  prompts.get('login').checks.add(new Check('acr_values', 'a stronger sign-in was asked for', ({ oidc }) => {
    const asked = oidc.params.acr_values?.split(' ');
    return asked && !asked.includes(oidc.session.acr) ? Check.REQUEST_PROMPT : Check.NO_NEED_TO_PROMPT;
  }));
  return prompts;
}

function build(issuer, keys) {
  const built = new Provider(issuer, {
    acrValues: ['pwd', 'mfa'],
    claims: { ...SCOPES, sid: null },
    clients: [
      client('ada', ['admin', 'staff']),
      client('bob', ['staff']),
      { ...client('carol', ['staff']), tls_client_certificate_bound_access_tokens: true },
      ...relyingParties.values(),
    ],
    // Those of the scopes are in the ID token, too, as most providers have it.
    conformIdTokenClaims: false,
    cookies: { keys: [cookieKey] },
    extraClientMetadata: { properties: ['groups'] },
    // What is said of an opaque token has no `sub` of its own where a client got it for itself.
    extraTokenClaims: (_ctx, token) => ({ groups: token.client?.groups ?? [], sub: token.accountId ?? token.clientId }),
    features: {
      backchannelLogout: { enabled: true },
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      dPoP: { enabled: true },
      introspection: { enabled: true },
      mTLS: { enabled: true, certificateBoundAccessTokens: true, getCertificate: clientCertificate },
      pushedAuthorizationRequests: { enabled: true },
      resourceIndicators: { enabled: true, getResourceServerInfo: resourceServer },
      revocation: { enabled: true },
      rpInitiatedLogout: { enabled: true, logoutSource, postLogoutSuccessSource },
    },
    // Its own asks for a dispatcher that refuses to tell anybody on loopback.
    fetch: (url, { dispatcher: _dispatcher, ...options }) => fetch(url, options),
    findAccount,
    interactions: { policy: policy(), url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
    issueRefreshToken: (_ctx, client) => client.grantTypeAllowed('refresh_token'),
    jwks: { keys },
    loadExistingGrant,
    pkce: { required: () => true },
    rotateRefreshToken: true,
    ttl: {
      AccessToken: () => lifetime,
      ClientCredentials: (_ctx, token) => token.resourceServer.accessTokenTTL,
    },
  });
  built.on('backchannel.success', (_ctx, { clientId }) => logouts.push({ client: clientId, done: true }));
  built.on('backchannel.error', (_ctx, error, { clientId }) => logouts.push({ client: clientId, done: false, error: error.message }));
  built.on('server_error', (_ctx, error) => console.error(error));
  return built;
}

const cookieKey = randomUUID();
const relyingParties = new Map();
const logouts = [];
let lifetime = 300;
const requests = {};
let keys = await newKeys();
let provider;
let down = false;

async function rotate(forget) {
  const fresh = await newKeys();
  keys = forget ? fresh : [...fresh, ...keys];
  provider = build(issuer, keys);
}

async function json(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return JSON.parse(Buffer.concat(chunks).toString());
}

function register(client) {
  relyingParties.set(client.client_id, relyingParty(client));
}

async function control(url, request, response) {
  let answer = requests;
  switch (url.pathname) {
    case '/test/rotate': await rotate(url.searchParams.has('forget')); break;
    case '/test/down': down = true; break;
    case '/test/up': down = false; break;
    case '/test/client':
      register(await json(request));
      provider = build(issuer, keys);
      break;
    case '/test/lifetime': lifetime = Number(url.searchParams.get('seconds')); break;
    case '/test/requests': break;
    case '/test/logouts': answer = logouts; break;
    default: response.statusCode = 404;
  }
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify(answer));
}

const server = createServer((request, response) => {
  const url = new URL(request.url, issuer);
  if (url.pathname.startsWith('/test/')) {
    control(url, request, response);
    return;
  }
  // Whether somebody answers at all is asked of the token endpoint by a GET, which asks for no token.
  const isProbe = request.method === 'GET' && url.pathname === '/token';
  if (!isProbe) requests[url.pathname] = (requests[url.pathname] ?? 0) + 1;
  if (down) {
    response.writeHead(503).end();
    return;
  }
  if (url.pathname.startsWith('/interaction/')) {
    interact(provider, request, response).catch((error) => response.writeHead(400).end(String(error)));
    return;
  }
  provider.callback()(request, response);
});

// A client must not meet the end of a connection that it was about to use.
server.keepAliveTimeout = 0;
await new Promise((listening) => { server.listen(0, '127.0.0.1', listening); });
const issuer = `http://127.0.0.1:${server.address().port}`;
for (const given of JSON.parse(process.argv[2] ?? '[]')) register(given);
provider = build(issuer, keys);
process.on('SIGTERM', () => process.exit(0));
console.log(JSON.stringify({ issuer }));
