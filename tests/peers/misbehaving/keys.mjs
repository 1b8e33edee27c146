// Keys and what they sign, by npm `jose`.

import { createHash, randomUUID } from 'node:crypto';
import { CompactEncrypt, CompactSign, UnsecuredJWT, exportJWK, generateKeyPair } from 'jose';

async function newKey(alg) {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  const jwk = { ...(await exportJWK(publicKey)), use: 'sig', alg, kid: randomUUID() };
  return { alg, kid: jwk.kid, privateKey, publicKey, jwk };
}

// One key of each kind, by algorithm.
export async function newKeys() {
  return Promise.all(['RS256', 'ES256'].map(newKey));
}


// A token with any header and claims. `claims` may be text, for JSON that no serialiser would write.
export async function sign(key, header, claims) {
  const text = typeof claims === 'string' ? claims : JSON.stringify(claims);
  return new CompactSign(Buffer.from(text)).setProtectedHeader(header).sign(key);
}

export function unsigned(claims) {
  return new UnsecuredJWT(claims).encode();
}

// The same token but for one bit in the middle of its signature.
export function tampered(token) {
  const [header, claims, signature] = token.split('.');
  const bytes = Buffer.from(signature, 'base64url');
  bytes[bytes.length >> 1] ^= 1;
  return [header, claims, bytes.toString('base64url')].join('.');
}

// A signed token that is encrypted by RSA1_5, in name: nobody has the key to find out.
export async function encrypted(token) {
  const { publicKey } = await generateKeyPair('RSA-OAEP');
  const jwe = await new CompactEncrypt(Buffer.from(token)).setProtectedHeader({ alg: 'RSA-OAEP', enc: 'A128GCM' }).encrypt(publicKey);
  const header = Buffer.from(JSON.stringify({ alg: 'RSA1_5', enc: 'A128GCM', cty: 'JWT' })).toString('base64url');
  return [header, ...jwe.split('.').slice(1)].join('.');
}

// at_hash and c_hash (OpenID Connect Core §3.1.3.6): half of SHA-256, which RS256 and ES256 both use.
export function halfHash(text) {
  return createHash('sha256').update(text).digest().subarray(0, 16).toString('base64url');
}

