// What the dialects have in common: clock, people, clients, sessions, grants and the log.

import { randomBytes } from 'node:crypto';
import { newKeys, sign } from '../misbehaving/keys.mjs';
import { cookie } from '../misbehaving/request.mjs';

export const random = () => randomBytes(24).toString('base64url');

// `factors` are the ways in which somebody can prove who they are, strongest last; the password is `password`.
const PEOPLE = {
  ada: { name: 'Ada Lovelace', email: 'ada@example.test', groups: ['admin', 'staff'], factors: ['pwd', 'otp'] },
  bob: { name: 'Bob Roberts', email: 'bob@example.test', groups: ['staff'], factors: ['pwd'] },
};

const SETTINGS = {
  // Every endpoint answers 503.
  down: false,
  // An error that every sign-in ends with, or every one with `prompt=none`.
  error: undefined,
  silent_error: undefined,
  // Whether the cookie of the session outlives the browser.
  persistent: true,
};

export class Tenant {
  constructor(keys, settings) {
    this.keys = keys;
    this.published = [];
    this.settings = { ...SETTINGS, ...settings };
    this.people = structuredClone(PEOPLE);
    this.offset = 0;
    for (const name of ['clients', 'sessions', 'pending', 'pushed', 'codes', 'accessTokens', 'refreshTokens', 'deviceSecrets']) this[name] = new Map();
    this.assertions = new Set();
    this.requests = [];
    this.logouts = [];
  }

  now() {
    return Math.floor(Date.now() / 1000) + this.offset;
  }

  key() {
    return this.keys.find((key) => key.alg === 'RS256');
  }

  async rotate() {
    this.published = [this.key()];
    this.keys = await newKeys();
  }

  jwks() {
    return [this.key(), ...this.published].map((key) => key.jwk);
  }

  async signed(header, claims, key = this.key()) {
    return sign(key.privateKey, { alg: 'RS256', kid: key.kid, ...header }, claims);
  }

  note(endpoint, request, answer) {
    const parameters = (from) => Object.fromEntries([...from]);
    this.requests.push({
      endpoint,
      method: request.method,
      target: request.url.pathname + request.url.search,
      params: { ...parameters(request.query), ...parameters(request.form) },
      body: request.body,
      authorization: request.headers.authorization,
      content_type: request.headers['content-type'],
      cookie: request.headers.cookie,
      status: answer.status ?? 200,
      refused: answer.refused,
    });
  }

  // The browser's session, if it still lives: `idle` seconds since it was used here, `absolute` since it began.
  session(request) {
    const session = this.sessions.get(cookie(request, this.cookieName));
    if (!session) return undefined;
    const { idle, absolute } = this.settings;
    const over = this.now() >= session.used + idle || this.now() >= session.begun + absolute;
    if (over) this.sessions.delete(session.id);
    return over ? undefined : session;
  }

  begin(sub, factors) {
    const now = this.now();
    const session = { id: random(), sid: this.newSid(), sub, amr: factors, auth_time: now, begun: now, used: now, clients: new Set() };
    this.sessions.set(session.id, session);
    return session;
  }

  setCookie(session) {
    const life = this.settings.persistent ? `; Max-Age=${this.settings.absolute}` : '';
    return `${this.cookieName}=${session.id}; Path=/; HttpOnly; Secure; SameSite=Lax${life}`;
  }

  // Ends what came of one session, as far as the dialect has it.
  endGrants(sid) {
    for (const tokens of [this.accessTokens, this.refreshTokens, this.deviceSecrets]) {
      for (const token of tokens.values()) if (token.sid === sid) token.ended = true;
    }
  }
}
