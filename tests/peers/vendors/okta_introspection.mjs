// Introspection (RFC 7662) as Okta answers it; its errors are not those of OAuth.

import { authenticate } from '../misbehaving/client.mjs';
import { holds } from './grants.mjs';

const DEVICE_SECRET = 'urn:x-oath:params:oauth:token-type:device-secret';

function failed(status, errorCode, errorSummary) {
  return { status, json: { errorCode, errorSummary, errorLink: errorCode, errorId: 'oaeFAKE', errorCauses: [] }, refused: errorSummary };
}

export async function introspect(server, request) {
  const { introspection_status: told } = server.settings;
  if (told) return { ...failed(told, 'E0000047', 'told to fail'), headers: { 'retry-after': '1' } };
  const { values, wrong } = await authenticate(server, request);
  if (wrong) return failed(401, 'invalid_client', wrong.refused);
  if (!values.token) return failed(400, 'invalid_request', 'token is missing');
  const secret = server.name === 'default' ? server.deviceSecrets.get(values.token) : undefined;
  if (holds(server, secret)) return { json: { active: true, sid: secret.sid, token_type: DEVICE_SECRET, exp: secret.exp } };
  const grant = server.accessTokens.get(values.token);
  if (!holds(server, grant)) return { json: { active: false } };
  const { scope, email, exp, iat, aud, jti, client_id, sub } = grant;
  const uid = server.subject(sub);
  return { json: { active: true, scope, username: email, exp, iat, sub: email, aud, iss: server.issuer, jti, token_type: 'Bearer', client_id, uid } };
}
