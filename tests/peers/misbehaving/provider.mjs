// The state of one provider: its clients, people, sessions, grants, keys, misbehaviours and the log of what it was asked.

import { randomBytes } from 'node:crypto';
import { newKeys } from './keys.mjs';
import { changed } from './misbehaviours.mjs';

export const now = () => Math.floor(Date.now() / 1000);
export const random = () => randomBytes(24).toString('base64url');

const PEOPLE = {
  ada: { name: 'Ada Lovelace', email: 'ada@example.test', groups: ['admin', 'staff'] },
  bob: { name: 'Bob Roberts', email: 'bob@example.test', groups: ['staff'] },
};

const SETTINGS = {
  alg: 'RS256',
  // Where the claims of the scopes are: `both`, or `userinfo` alone as the strictest providers have it.
  claims: 'both',
  expires_in: 300,
  // Whether a refresh token is given: `always`, `never`, or as asked for by the scope `offline_access`.
  refresh: 'offline_access',
  // Who signs in, where login_hint says nothing.
  user: 'ada',
};

export class Provider {
  constructor(issuer, keys) {
    this.issuer = issuer;
    this.keys = keys;
    // Keys that are published and not signed with.
    this.published = [];
    this.settings = { ...SETTINGS };
    this.people = structuredClone(PEOPLE);
    this.clients = new Map();
    this.misbehaviours = {};
    this.requests = [];
    this.sessions = new Map();
    this.pushed = new Map();
    this.codes = new Map();
    this.accessTokens = new Map();
    this.refreshTokens = new Map();
    this.assertions = new Set();
  }

  key(alg = this.settings.alg) {
    return this.keys.find((key) => key.alg === alg);
  }

  // Signs with new keys from now on; the old ones are published no longer, unless kept.
  async rotate({ keep = false } = {}) {
    this.published = keep ? [...this.published, ...this.keys] : [];
    this.keys = await newKeys();
  }

  note(endpoint, request, answer) {
    const parameters = (from) => Object.fromEntries([...from]);
    this.requests.push({
      endpoint,
      method: request.method,
      target: request.url.pathname + request.url.search,
      params: { ...parameters(request.query), ...parameters(request.form) },
      authorization: request.headers.authorization,
      content_type: request.headers['content-type'],
      accept: request.headers.accept,
      cookie: request.headers.cookie,
      status: answer.status ?? 200,
      refused: answer.refused,
    });
  }

  misbehaviour(section) {
    return this.misbehaviours[section] ?? {};
  }

  // What is sent for the honest `answer`. A refusal is sent as it is: who asks wrongly must see that.
  misbehaving(endpoint, answer) {
    const section = answer.section ?? endpoint;
    const told = this.misbehaviour(section);
    if (answer.refused) return answer;
    if (told.answer && told.answer.times !== 0) {
      if (told.answer.times !== undefined) told.answer.times -= 1;
      return told.answer;
    }
    return answer.json && !answer.settled ? changed(section, answer, told) : answer;
  }

  // Ends what came of one sign-in: its access tokens and refresh tokens.
  endFamily(family) {
    for (const tokens of [this.accessTokens, this.refreshTokens]) {
      for (const [text, token] of tokens) {
        if (token.family === family) tokens.set(text, { ...token, ended: true });
      }
    }
  }
}
