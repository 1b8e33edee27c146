// One sign-in for the native apps of a device (OpenID Connect Native SSO for Mobile Apps 1.0, RFC 8693): the first app gets a device
// secret, and with it and an ID token the second gets tokens of its own. Custom authorization servers alone have it.

import { createHash, randomBytes } from 'node:crypto';
import { compactVerify } from 'jose';
import { oauthError } from '../misbehaving/answer.mjs';

export const TOKEN_EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
const DEVICE_SECRET = 'urn:x-oath:params:oauth:token-type:device-secret';
const ID_TOKEN = 'urn:ietf:params:oauth:token-type:id_token';
const SECRET_SECONDS = 30 * 86400;

// With the characters that a form must escape.
export function newDeviceSecret(server, grant) {
  const secret = `+${randomBytes(31).toString('base64')}`;
  const { sub, sid, auth_time, amr } = grant;
  server.deviceSecrets.set(secret, { sub, sid, auth_time, amr, exp: server.now() + SECRET_SECONDS });
  return secret;
}

// Whose ID token it is; it may have run out.
async function subject(server, text) {
  try {
    const claims = JSON.parse(Buffer.from((await compactVerify(text, server.key().publicKey)).payload));
    return claims.iss === server.issuer ? claims : undefined;
  } catch {
    return undefined;
  }
}

export async function exchanged(server, client, values, issue, refuse) {
  if (server.name !== 'default') return oauthError(400, 'unsupported_grant_type', 'the organization exchanges no tokens');
  if (values.actor_token_type !== DEVICE_SECRET) return oauthError(400, 'invalid_request', `actor_token_type ${values.actor_token_type}`);
  if (values.subject_token_type !== ID_TOKEN) return oauthError(400, 'invalid_request', `subject_token_type ${values.subject_token_type}`);
  if (values.audience !== server.settings.audience) return oauthError(400, 'invalid_target', `audience ${values.audience}`);
  const secret = server.deviceSecrets.get(values.actor_token);
  const claims = await subject(server, values.subject_token ?? '');
  if (!secret || secret.ended || secret.exp <= server.now()) return refuse('the device secret is unknown or has ended');
  if (!claims || claims.sid !== secret.sid) return refuse('subject_token is not of that session');
  const hash = createHash('sha256').update(values.actor_token).digest('base64url');
  if (claims.ds_hash !== hash) return refuse('subject_token is not bound to that device secret');
  const { sub, sid, auth_time, amr } = secret;
  return issue({ client_id: client.client_id, scope: values.scope ?? 'openid', sub, sid, auth_time, amr, silent: true });
}
