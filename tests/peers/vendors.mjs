// Strict stand-ins of Auth0, Okta and Mosaic for the tests, after their documents; where those are silent, the standard decides.
//
// Started with the names of dialects, `auth0 okta`, it makes one tenant of each, `https://auth0.idp.test:PORT`, and prints one
// line, {"origins": [...]}, in their order. A tenant checks what the real system checks and refuses what that refuses; its log
// says why. It signs with npm `jose`, another JOSE library than sidegate's. It has a clock of its own, which tests set.
// What tests tell it goes to ORIGIN/test/ (vendors/control.mjs).

import './names.mjs';
import { listen } from './listen.mjs';
import { send } from './misbehaving/answer.mjs';
import { newKeys } from './misbehaving/keys.mjs';
import { receive } from './misbehaving/request.mjs';
import { Auth0 } from './vendors/auth0.mjs';
import { control } from './vendors/control.mjs';
import { Mosaic } from './vendors/mosaic.mjs';
import { Okta } from './vendors/okta.mjs';

const DIALECTS = { auth0: Auth0, mosaic: Mosaic, okta: Okta };

// Whatever is asked for is logged, known or not: a test may insist that nothing was.
async function serve(tenant, path, request) {
  const endpoint = tenant.endpoint(path) ?? { name: 'unknown', methods: [] };
  let answer = { status: 404, refused: 'no such endpoint' };
  if (tenant.settings.down) answer = { status: 503, json: { error: 'temporarily_unavailable' }, refused: 'down' };
  else if (endpoint.methods.includes(request.method)) answer = await endpoint.answer(request);
  else if (endpoint.answer) answer = { status: 405, refused: `${request.method} is not allowed` };
  tenant.note(endpoint.name, request, answer);
  return answer;
}

async function listening(name) {
  const tenant = new DIALECTS[name](await newKeys());
  tenant.origin = await listen(`${name}.idp.test`, async (incoming, response) => {
    try {
      const request = await receive(incoming, tenant.origin);
      const path = request.url.pathname;
      const answer = path.startsWith('/test/')
        ? await control(tenant, path.slice('/test/'.length), request)
        : await serve(tenant, path, request);
      await send(response, answer);
    } catch (error) {
      console.error(error);
      if (!response.headersSent) response.writeHead(500);
      response.end(String(error));
    }
  });
  return tenant.origin;
}

process.on('SIGTERM', () => process.exit(0));
console.log(JSON.stringify({ origins: await Promise.all(process.argv.slice(2).map(listening)) }));
