// Okta: an organization and one custom authorization server, `default`, which share sessions and people but no tokens.
//
// Access tokens have no `typ`, name scopes by `scp` and the client by `cid`, and people by their login; `uid` is what ID tokens
// call `sub`. Those of the organization are signed with a key that is published nowhere.

import { createHash } from 'node:crypto';
import { halfHash, newKeys } from '../misbehaving/keys.mjs';
import { jwks, metadata } from './metadata.mjs';
import { authorize, logIn } from './authorize.mjs';
import { push, refuse, revoke, token, userinfo } from './grants.mjs';
import { TOKEN_EXCHANGE, exchanged, newDeviceSecret } from './okta_native.mjs';
import { introspect } from './okta_introspection.mjs';
import { logout } from './okta_logout.mjs';
import { Tenant, random } from './tenant.mjs';

const MINUTE = 60;
const CLASSES = { 'urn:okta:loa:1fa:any': 1, 'urn:okta:loa:1fa:pwd': 1, 'urn:okta:loa:2fa:any': 2, 'urn:okta:loa:2fa:any:ifpossible': 1, phr: 3 };

const SETTINGS = {
  // As the rule of the session policy has them.
  idle: 120 * MINUTE,
  absolute: 43200 * MINUTE,
  expires_in: 3600,
  refresh_grace: 30,
  audience: 'api://default',
  // What introspection answers in place of the truth: 429, 500.
  introspection_status: undefined,
  // Which issuer front-channel logout names: `org` or `server`.
  slo_issuer: 'org',
};

export class Okta extends Tenant {
  title = 'Okta';
  cookieName = 'sid';
  scopes = ['openid', 'profile', 'email', 'groups', 'offline_access', 'device_sso'];
  authorizeParameters = ['idp', 'sessionToken', 'interclient_token', 'enroll_amr_values'];
  grants = { [TOKEN_EXCHANGE]: ['actor_token', 'actor_token_type', 'subject_token', 'subject_token_type', 'scope', 'audience'] };
  loginRequired = { error: 'login_required', error_description: 'The client specified not to prompt, but the user is not logged in.' };
  tooWeak = { error: 'unmet_authentication_requirements', error_description: 'The authentication requirements could not be met.' };

  constructor(keys) {
    super(keys, SETTINGS);
    // Nobody gets to see the keys of the organization's access tokens.
    this.unpublished = newKeys();
    this.servers = ['org', 'default'].map((name) => this.server(name));
  }

  // An authorization server: this tenant, with tokens of its own.
  server(name) {
    const own = ['codes', 'accessTokens', 'refreshTokens', 'pushed'].map((map) => [map, { value: new Map() }]);
    return Object.create(this, { ...Object.fromEntries(own), name: { value: name } });
  }

  get issuer() {
    return this.name === 'default' ? `${this.origin}/oauth2/default` : this.origin;
  }

  get base() {
    return this.name === 'default' ? '/oauth2/default/v1' : '/oauth2/v1';
  }

  get loginPath() {
    return `${this.base}/login`;
  }

  endpoint(path) {
    const found = this.servers.map((server) => server.own(path)).find(Boolean);
    return found;
  }

  own(path) {
    const { base } = this;
    const discovery = { name: 'discovery', methods: ['GET'], answer: () => metadata(this, this.metadata()) };
    const wellKnown = this.name === 'default'
      ? ['/oauth2/default/.well-known/openid-configuration', '/oauth2/default/.well-known/oauth-authorization-server', '/.well-known/oauth-authorization-server/oauth2/default']
      : ['/.well-known/openid-configuration', '/.well-known/oauth-authorization-server'];
    return wellKnown.includes(path) ? discovery : {
      [`${base}/keys`]: { name: 'jwks', methods: ['GET'], answer: () => jwks(this) },
      [`${base}/authorize`]: { name: 'authorization', methods: ['GET', 'POST'], answer: (request) => authorize(this, request) },
      [`${base}/login`]: { name: 'login', methods: ['POST'], answer: (request) => logIn(this, request) },
      [`${base}/par`]: { name: 'par', methods: ['POST'], answer: (request) => push(this, request) },
      [`${base}/token`]: { name: 'token', methods: ['POST'], answer: (request) => token(this, request) },
      [`${base}/userinfo`]: { name: 'userinfo', methods: ['GET', 'POST'], answer: (request) => userinfo(this, request) },
      [`${base}/introspect`]: { name: 'introspection', methods: ['POST'], answer: (request) => introspect(this, request) },
      [`${base}/revoke`]: { name: 'revocation', methods: ['POST'], answer: (request) => revoke(this, request) },
      [`${base}/logout`]: { name: 'end_session', methods: ['GET', 'POST'], answer: (request) => logout(this, request) },
    }[path];
  }

  metadata() {
    const at = (path) => `${this.origin}${this.base}${path}`;
    return {
      issuer: this.issuer,
      authorization_endpoint: at('/authorize'),
      token_endpoint: at('/token'),
      userinfo_endpoint: at('/userinfo'),
      jwks_uri: at('/keys'),
      introspection_endpoint: at('/introspect'),
      revocation_endpoint: at('/revoke'),
      end_session_endpoint: at('/logout'),
      pushed_authorization_request_endpoint: at('/par'),
      response_types_supported: ['code', 'id_token', 'code id_token', 'code token', 'id_token token', 'code id_token token'],
      response_modes_supported: ['query', 'fragment', 'form_post', 'okta_post_message'],
      code_challenge_methods_supported: ['S256'],
      subject_types_supported: ['public'],
      id_token_signing_alg_values_supported: ['RS256'],
      token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post', 'client_secret_jwt', 'private_key_jwt', 'none'],
      scopes_supported: this.scopes,
    };
  }

  newSid() {
    return `102${random()}`;
  }

  isStrong(session, acrValues) {
    return session.amr.length >= (CLASSES[acrValues] ?? 1);
  }

  wrongRequest({ acr_values: acr, scope }) {
    if (acr !== undefined && !(acr in CLASSES)) return ['invalid_request', `acr_values ${acr}`];
    if (/device_sso/.test(scope) && this.name !== 'default') return ['invalid_scope', 'device_sso takes a custom authorization server'];
    return undefined;
  }

  grantOf() {
    return {};
  }

  subject(user) {
    return `00u${user}`;
  }

  profile({ sub, scope }) {
    const { email, name, groups } = this.people[sub];
    const scopes = scope.split(' ');
    return {
      ...(scopes.includes('email') ? { email, email_verified: true } : {}),
      ...(scopes.includes('profile') ? { name, preferred_username: email } : {}),
      ...(scopes.includes('groups') ? { groups } : {}),
    };
  }

  // A device secret, where all three scopes are asked for.
  beside(grant) {
    const asked = ['openid', 'device_sso', 'offline_access'].every((scope) => grant.scope.split(' ').includes(scope));
    if (!asked) return {};
    const secret = newDeviceSecret(this, grant);
    grant.ds_hash = createHash('sha256').update(secret).digest('base64url');
    return { device_secret: secret };
  }

  async idToken(grant, access) {
    const iat = this.now();
    const { sub, sid, nonce, amr, auth_time, acr_values, ds_hash } = grant;
    const claims = {
      ver: 1, sub: this.subject(sub), iss: this.issuer, aud: grant.client_id, iat, exp: iat + 3600, jti: `ID.${random()}`,
      amr: amr.length > 1 ? [...amr, 'mfa'] : amr, acr: acr_values, idp: '00oIDP', auth_time, at_hash: halfHash(access), nonce,
      sid, ds_hash, ...this.profile(grant),
    };
    this.noteIdToken(await this.signed({}, claims));
    return this.lastIdToken;
  }

  noteIdToken(text) {
    Object.getPrototypeOf(this).lastIdToken = text;
  }

  async accessToken(grant) {
    const iat = this.now();
    const exp = iat + this.settings.expires_in;
    const { sub, client_id: cid, scope, auth_time } = grant;
    const { email } = this.people[sub];
    const isOrg = this.name === 'org';
    const aud = isOrg ? this.origin : this.settings.audience;
    const jti = `AT.${random()}`;
    const claims = { ver: 1, jti, iss: this.issuer, aud, iat, exp, cid, uid: this.subject(sub), scp: scope.split(' '), auth_time, sub: email };
    const keys = isOrg ? await this.unpublished : this.keys;
    const text = await this.signed({}, claims, keys.find((key) => key.alg === 'RS256'));
    this.accessTokens.set(text, { ...grant, iat, exp, jti, aud, email });
    return text;
  }

  async exchange(client, values, issue) {
    return exchanged(this, client, values, issue, refuse);
  }

  endGrants(sid) {
    for (const server of this.servers) super.endGrants.call(server, sid);
  }

  end(session) {
    this.sessions.delete(session.id);
  }
}
