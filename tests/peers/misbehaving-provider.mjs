// A strict OpenID provider of our own for the tests, which misbehaves as told.
//
// Started without arguments, it listens on a free port of 127.0.0.1 and prints one line, {"origin": "http://127.0.0.1:PORT"}, or, where it
// speaks TLS (listen.mjs), {"origin": "https://plain.idp.test:PORT"}.
// It holds any number of providers that share nothing but that port and the first keys: the issuer of each is ORIGIN/NAME,
// made when NAME is first asked for. It signs with npm `jose`, another JOSE library than sidegate's.
//
// Until told otherwise it does what the standards say and refuses what real systems refuse; the log says why. Everything
// is told by JSON under ORIGIN/NAME/test/ (misbehaving/control.mjs); the names of the misbehaviours, which a test must
// spell right, are in misbehaving/misbehaviours.mjs.

import { listen } from './listen.mjs';
import { send } from './misbehaving/answer.mjs';
import { authorize, push } from './misbehaving/authorize.mjs';
import { control } from './misbehaving/control.mjs';
import { discovery, jwks } from './misbehaving/discovery.mjs';
import { newKeys } from './misbehaving/keys.mjs';
import { endSession } from './misbehaving/logout.mjs';
import { Provider } from './misbehaving/provider.mjs';
import { receive } from './misbehaving/request.mjs';
import { introspect, revoke, token, userinfo } from './misbehaving/tokens.mjs';

const ENDPOINTS = {
  '.well-known/openid-configuration': { name: 'discovery', answer: discovery, methods: ['GET'] },
  jwks: { name: 'jwks', answer: jwks, methods: ['GET'] },
  authorize: { name: 'authorization', answer: authorize, methods: ['GET', 'POST'] },
  par: { name: 'par', answer: push, methods: ['POST'] },
  token: { name: 'token', answer: token, methods: ['POST'] },
  userinfo: { name: 'userinfo', answer: userinfo, methods: ['GET', 'POST'] },
  introspect: { name: 'introspection', answer: introspect, methods: ['POST'] },
  revoke: { name: 'revocation', answer: revoke, methods: ['POST'] },
  logout: { name: 'end_session', answer: endSession, methods: ['GET', 'POST'] },
};

const providers = new Map();
const firstKeys = await newKeys();

function providerCalled(name) {
  if (!providers.has(name)) providers.set(name, new Provider(`${origin}/${name}`, firstKeys));
  return providers.get(name);
}

// Whatever is asked for is logged, known or not: a test may insist that nothing was. An endpoint also answers under its path
// and a number, `token-2`, so that metadata can move.
async function serve(provider, path, request, response) {
  const endpoint = ENDPOINTS[path] ?? ENDPOINTS[path.replace(/-\d+$/, '')] ?? { name: 'unknown' };
  let answer = { status: 404, refused: 'no such endpoint' };
  if (endpoint.answer) {
    answer = endpoint.methods.includes(request.method)
      ? await endpoint.answer(provider, request)
      : { status: 405, refused: `${request.method} is not allowed` };
  }
  provider.note(endpoint.name, request, answer);
  await send(response, provider.misbehaving(endpoint.name, answer));
}

const origin = await listen('plain.idp.test', async (incoming, response) => {
  try {
    const request = await receive(incoming, origin);
    const [, name, ...rest] = request.url.pathname.split('/');
    const provider = providerCalled(name);
    const path = rest.join('/');
    if (path.startsWith('test/')) {
      await send(response, await control(provider, path.slice('test/'.length), request));
    } else {
      await serve(provider, path, request, response);
    }
  } catch (error) {
    console.error(error);
    if (!response.headersSent) response.writeHead(500);
    response.end(String(error));
  }
});

process.on('SIGTERM', () => process.exit(0));
console.log(JSON.stringify({ origin }));
