// Verifies tokens as an app would that uses the npm package `jose`: keys by their address, everything else checked by name.
//
// Standard input: {"jwks_uri": …, "tokens": […], "options": …}, the options being those of `jwtVerify`.
// Standard output: for each token its header and claims, {"header": …, "claims": …}, or {"error": CODE}.

import { text } from 'node:stream/consumers';
import { createRemoteJWKSet, jwtVerify } from 'jose';

const { jwks_uri: address, tokens, options } = JSON.parse(await text(process.stdin));
const keys = createRemoteJWKSet(new URL(address));
const verify = async (token) => {
  try {
    const { payload, protectedHeader } = await jwtVerify(token, keys, options);
    return { header: protectedHeader, claims: payload };
  } catch (error) {
    return { error: error.code ?? String(error) };
  }
};
process.stdout.write(JSON.stringify(await Promise.all(tokens.map(verify))));
