// Transmit Security Mosaic: one tenant. The issuer is not where the endpoints are. Sessions are kept for backends: a login service gets
// their names, and an app's own client, by a token of its own, gets tokens out of them (mosaic_sessions.mjs). Apps can sign people in
// by OpenID Connect, too. The login service of the tests lives here as well (mosaic_login.mjs).

import { oauthError } from '../misbehaving/answer.mjs';
import { halfHash } from '../misbehaving/keys.mjs';
import { authorize, logIn } from './authorize.mjs';
import { revoke, token, userinfo } from './grants.mjs';
import { jwks, metadata } from './metadata.mjs';
import { handIn, showLogin } from './mosaic_login.mjs';
import { authenticateSession, endSession, otp, password, sendOtp } from './mosaic_sessions.mjs';
import { Tenant, random } from './tenant.mjs';

const DAY = 86_400;

const SETTINGS = {
  issuer: 'https://userid.security',
  tid: 'acme',
  // Two weeks, which begin anew with each use.
  idle: 14 * DAY,
  absolute: 365 * DAY,
  expires_in: 3600,
  client_token_expires_in: 3600,
  refresh_grace: 0,
  // How many requests about sessions a client may make in a minute.
  rate: undefined,
  retry_after: 30,
  // What authenticating a session answers in place of the truth: 401, 500, 503.
  session_status: undefined,
  // What ending one answers.
  logout_status: undefined,
  // Whether an answer names the session: `same`, `new`, or not.
  names_session: 'same',
  // In place of what ID tokens should say.
  id_token: undefined,
  // How the login service hands in sessions: `handle` or `header`; where sidegate is, its secret.
  handover: 'handle',
  sidegate: undefined,
  secret: undefined,
};

export class Mosaic extends Tenant {
  title = 'Mosaic';
  cookieName = 'mosaic';
  loginPath = '/cis/oidc/login';
  scopes = ['openid', 'profile', 'email', 'offline_access'];
  authorizeParameters = ['claims', 'resource'];
  grants = { client_credentials: ['resource', 'scope'] };
  loginRequired = { error: 'login_required', error_description: 'There is no session.' };
  tooWeak = { error: 'unmet_authentication_requirements', error_description: 'A further factor is needed.' };

  constructor(keys) {
    super(keys, SETTINGS);
    this.clientTokens = new Map();
    this.times = new Map();
    this.passcodes = new Set();
  }

  get issuer() {
    return this.settings.issuer;
  }

  endpoint(path) {
    return {
      '/cis/oidc/.well-known/openid-configuration': { name: 'discovery', methods: ['GET'], answer: () => metadata(this, this.metadata()) },
      '/cis/oidc/jwks': { name: 'jwks', methods: ['GET'], answer: () => jwks(this) },
      '/cis/oidc/auth': { name: 'authorization', methods: ['GET', 'POST'], answer: (request) => authorize(this, request) },
      '/cis/oidc/login': { name: 'login', methods: ['POST'], answer: (request) => logIn(this, request) },
      '/cis/me': { name: 'userinfo', methods: ['GET'], answer: (request) => userinfo(this, request) },
      '/oidc/token': { name: 'token', methods: ['POST'], answer: (request) => token(this, request) },
      '/oidc/token/revocation': { name: 'revocation', methods: ['POST'], answer: (request) => revoke(this, request) },
      '/cis/v1/auth/session/authenticate': { name: 'session_authenticate', methods: ['POST'], answer: (request) => authenticateSession(this, request) },
      '/cis/v1/auth/session/logout': { name: 'session_logout', methods: ['POST'], answer: (request) => endSession(this, request) },
      '/cis/v1/auth/password/authenticate': { name: 'password', methods: ['POST'], answer: (request) => password(this, request) },
      '/cis/v1/auth/otp/send': { name: 'otp_send', methods: ['POST'], answer: (request) => sendOtp(this, request) },
      '/cis/v1/auth/otp/authenticate': { name: 'otp', methods: ['POST'], answer: (request) => otp(this, request) },
      '/signin': { name: 'login_service', methods: ['GET', 'POST'], answer: (request) => (request.method === 'GET' ? showLogin(request) : handIn(this, request)) },
    }[path];
  }

  metadata() {
    const at = (path) => `${this.origin}${path}`;
    return {
      issuer: this.issuer,
      authorization_endpoint: at('/cis/oidc/auth'),
      token_endpoint: at('/oidc/token'),
      userinfo_endpoint: at('/cis/me'),
      jwks_uri: at('/cis/oidc/jwks'),
      revocation_endpoint: at('/oidc/token/revocation'),
      response_types_supported: ['code'],
      subject_types_supported: ['public'],
      id_token_signing_alg_values_supported: ['RS256'],
      token_endpoint_auth_methods_supported: ['client_secret_post'],
    };
  }

  newSid() {
    return random();
  }

  isStrong() {
    return true;
  }

  wrongRequest() {
    return undefined;
  }

  grantOf() {
    return {};
  }

  beside() {
    return {};
  }

  subject(user) {
    return user;
  }

  profile({ sub }) {
    const { name, email, groups } = this.people[sub];
    return { name, email, email_verified: true, groups, roles: groups };
  }

  async idToken({ sub, client_id: aud, auth_time, amr, nonce }, access) {
    const iat = this.now();
    const claims = {
      sub, iss: this.issuer, aud, tid: this.settings.tid, iat, exp: iat + 3600, auth_time, nonce, at_hash: halfHash(access),
      amr: amr.length > 1 ? [...amr, 'mfa'] : amr, ...this.profile({ sub }), ...this.settings.id_token,
    };
    return this.signed({}, claims);
  }

  async accessToken({ sub, client_id: client, resource, sid }) {
    const iat = this.now();
    const exp = iat + this.settings.expires_in;
    const aud = resource ?? 'userid-api';
    const claims = { iss: this.issuer, sub, aud, iat, exp, jti: random(), tid: this.settings.tid, client_id: client, app_id: client, scope: 'openid' };
    const text = await this.signed({}, claims);
    this.accessTokens.set(text, { sub, client_id: client, sid, scope: 'openid', exp });
    return text;
  }

  // A token of the client itself: not refreshable, and not for people.
  async exchange(client, values) {
    if (values.grant_type !== 'client_credentials') return oauthError(400, 'unsupported_grant_type', values.grant_type);
    const text = `CT.${random()}`;
    const expires = this.settings.client_token_expires_in;
    this.clientTokens.set(text, { client_id: client.client_id, exp: this.now() + expires });
    return { json: { access_token: text, token_type: 'Bearer', expires_in: expires, scope: 'oidc' } };
  }

  end(session) {
    this.sessions.delete(session.id);
    this.endGrants(session.sid);
  }
}
