// A real OpenID provider (npm `oidc-provider`) for the tests: JWT access tokens by client credentials.
//
// Started without arguments, it listens on a free port of 127.0.0.1 and prints one line, {"issuer": "http://127.0.0.1:PORT"}.
// It signs with another JOSE library than sidegate's, so that a shared misreading cannot pass.
//
//   POST /token  grant_type=client_credentials, client ada:ada-secret (groups admin, staff) or bob:bob-secret (staff), and
//                resource=https://api.example.test/ALG[/SECONDS] with ALG one of RS256, PS256, ES256, EdDSA:
//                a token of that algorithm and lifetime (300 s unless told), audience https://api.example.test
//   POST /test/rotate[?forget=1]  sign with new keys; the old ones stay published unless forgotten
//   POST /test/down, /test/up     answer 503 to everything but /test; answer again
//   GET  /test/requests           how often each path was asked for, as JSON

import { createServer } from 'node:http';
import { generateKeyPair, randomUUID } from 'node:crypto';
import { promisify } from 'node:util';
import { Provider } from 'oidc-provider';

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
  if (!resource.startsWith(`${API}/`) || !ALGORITHMS.includes(algorithm)) {
    throw new Error(`unknown resource ${resource}`);
  }
  return {
    scope: 'read write',
    audience: API,
    accessTokenFormat: 'jwt',
    accessTokenTTL: Number(seconds ?? 300),
    jwt: { sign: { alg: algorithm } },
  };
}

function build(issuer, keys) {
  return new Provider(issuer, {
    clients: [client('ada', ['admin', 'staff']), client('bob', ['staff'])],
    cookies: { keys: [randomUUID()] },
    extraClientMetadata: { properties: ['groups'] },
    extraTokenClaims: (_ctx, token) => ({ groups: token.client?.groups ?? [] }),
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      resourceIndicators: { enabled: true, getResourceServerInfo: resourceServer },
    },
    jwks: { keys },
    ttl: { ClientCredentials: (_ctx, token) => token.resourceServer.accessTokenTTL },
  });
}

const requests = {};
let keys = await newKeys();
let provider;
let down = false;

async function rotate(forget) {
  const fresh = await newKeys();
  keys = forget ? fresh : [...fresh, ...keys];
  provider = build(issuer, keys);
}

async function control(url, response) {
  switch (url.pathname) {
    case '/test/rotate': await rotate(url.searchParams.has('forget')); break;
    case '/test/down': down = true; break;
    case '/test/up': down = false; break;
    case '/test/requests': break;
    default: response.statusCode = 404;
  }
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify(requests));
}

const server = createServer((request, response) => {
  const url = new URL(request.url, issuer);
  if (url.pathname.startsWith('/test/')) {
    control(url, response);
    return;
  }
  requests[url.pathname] = (requests[url.pathname] ?? 0) + 1;
  if (down) {
    response.writeHead(503).end();
    return;
  }
  provider.callback()(request, response);
});

await new Promise((listening) => { server.listen(0, '127.0.0.1', listening); });
const issuer = `http://127.0.0.1:${server.address().port}`;
provider = build(issuer, keys);
process.on('SIGTERM', () => process.exit(0));
console.log(JSON.stringify({ issuer }));
