// Auth0: the issuer ends with a slash, every token says `typ: JWT`, all clients of one session see the same `sid`, and how strong
// a sign-in was is told once, not again when it is used silently.

import { jwks, metadata } from './metadata.mjs';
import { authorize, logIn } from './authorize.mjs';
import { push, revoke, token, userinfo } from './grants.mjs';
import { oidcLogout, tellAll, v2Logout } from './auth0_logout.mjs';
import { Tenant, random } from './tenant.mjs';

const DAY = 86400;
const MULTI_FACTOR = 'http://schemas.openid.net/pape/policies/2007/06/multi-factor';
const ID_TOKEN_SECONDS = 36000;

const SETTINGS = {
  // A session ends after three days without a request to Auth0, and after seven days in any case.
  idle: 3 * DAY,
  absolute: 7 * DAY,
  expires_in: DAY,
  refresh_grace: 0,
  apis: ['https://api.edge.test'],
  organizations: ['org_9ybs'],
  // Access tokens as Auth0 always had them, or `rfc9068`.
  profile: 'auth0',
  // Whether discovery has the endpoint of RP-Initiated Logout, which tenants from before 2023-11-14 have not.
  end_session_discovery: true,
  // Where people of the whole tenant may go after signing out.
  logout_urls: [],
  // When the tenant wants sessions to be over: seconds from the sign-in.
  session_expiry: undefined,
};

export class Auth0 extends Tenant {
  title = 'Auth0';
  cookieName = 'auth0';
  loginPath = '/u/login';
  scopes = ['openid', 'profile', 'email', 'offline_access', 'read:reports'];
  authorizeParameters = ['audience', 'organization', 'connection', 'session_transfer_token', 'screen_hint'];
  grants = {};
  loginRequired = { error: 'login_required', error_description: 'Login required' };
  tooWeak = { error: 'access_denied', error_description: 'the second factor is missing' };

  constructor(keys) {
    super(keys, SETTINGS);
    // Sessions of identity providers behind the tenant that were ended, by user.
    this.federated = [];
  }

  get issuer() {
    return `${this.origin}/`;
  }

  endpoint(path) {
    return {
      '/.well-known/openid-configuration': { name: 'discovery', methods: ['GET'], answer: () => metadata(this, this.metadata()) },
      '/.well-known/jwks.json': { name: 'jwks', methods: ['GET'], answer: () => jwks(this) },
      '/authorize': { name: 'authorization', methods: ['GET', 'POST'], answer: (request) => authorize(this, request) },
      [this.loginPath]: { name: 'login', methods: ['POST'], answer: (request) => logIn(this, request) },
      '/oauth/par': { name: 'par', methods: ['POST'], answer: (request) => push(this, request) },
      '/oauth/token': { name: 'token', methods: ['POST'], answer: (request) => token(this, request) },
      '/oauth/revoke': { name: 'revocation', methods: ['POST'], answer: (request) => revoke(this, request) },
      '/userinfo': { name: 'userinfo', methods: ['GET', 'POST'], answer: (request) => userinfo(this, request) },
      '/oidc/logout': { name: 'end_session', methods: ['GET', 'POST'], answer: (request) => oidcLogout(this, request) },
      '/v2/logout': { name: 'v2_logout', methods: ['GET'], answer: (request) => v2Logout(this, request) },
    }[path];
  }

  metadata() {
    const at = (path) => `${this.origin}${path}`;
    return {
      issuer: this.issuer,
      authorization_endpoint: at('/authorize'),
      token_endpoint: at('/oauth/token'),
      userinfo_endpoint: at('/userinfo'),
      jwks_uri: at('/.well-known/jwks.json'),
      revocation_endpoint: at('/oauth/revoke'),
      ...(this.settings.end_session_discovery ? { end_session_endpoint: at('/oidc/logout') } : {}),
      pushed_authorization_request_endpoint: at('/oauth/par'),
      response_types_supported: ['code', 'token', 'id_token', 'code token', 'code id_token', 'token id_token', 'code token id_token'],
      response_modes_supported: ['query', 'fragment', 'form_post'],
      code_challenge_methods_supported: ['S256', 'plain'],
      backchannel_logout_supported: true,
      backchannel_logout_session_supported: true,
      id_token_signing_alg_values_supported: ['HS256', 'RS256', 'PS256'],
      token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post', 'private_key_jwt'],
      scopes_supported: ['openid', 'profile', 'offline_access', 'email'],
    };
  }

  newSid() {
    return random();
  }

  isStrong(session, acrValues) {
    return acrValues !== MULTI_FACTOR || session.amr.length > 1;
  }

  wrongRequest({ audience, organization }) {
    if (audience !== undefined && !this.settings.apis.includes(audience)) return ['access_denied', `Service not found: ${audience}`];
    if (organization !== undefined && !this.settings.organizations.includes(organization)) return ['invalid_request', 'parameter organization is invalid'];
    return undefined;
  }

  grantOf({ audience, organization }) {
    return { audience, organization };
  }

  beside() {
    return {};
  }

  subject(user) {
    return `auth0|${user}`;
  }

  // The claims of the scopes, and those that the tenant's own action adds under names that are URLs.
  profile({ sub, scope }) {
    const { email, name, custom } = this.people[sub];
    const scopes = scope.split(' ');
    return {
      ...(scopes.includes('email') ? { email, email_verified: true } : {}),
      ...(scopes.includes('profile') ? { name, nickname: sub } : {}),
      ...custom,
    };
  }

  async idToken(grant) {
    const iat = this.now();
    const { sub, sid, nonce, amr, auth_time, max_age, acr_values, organization, silent } = grant;
    const claims = { iss: this.issuer, sub: this.subject(sub), aud: grant.client_id, iat, exp: iat + ID_TOKEN_SECONDS, sid, nonce, ...this.profile(grant) };
    if (max_age !== undefined) claims.auth_time = auth_time;
    if (!silent && amr.length > 1) claims.amr = ['mfa'];
    if (!silent && acr_values === MULTI_FACTOR) claims.acr = MULTI_FACTOR;
    if (organization) claims.org_id = organization;
    if (this.settings.session_expiry !== undefined) claims.session_expiry = auth_time + this.settings.session_expiry;
    this.lastIdToken = await this.signed({ typ: 'JWT' }, claims);
    return this.lastIdToken;
  }

  // Without an audience it is good for userinfo alone, and nobody else can read it.
  async accessToken(grant) {
    const iat = this.now();
    const exp = iat + this.settings.expires_in;
    const { audience, client_id, scope, organization, sub } = grant;
    const modern = this.settings.profile === 'rfc9068';
    const claims = {
      iss: this.issuer, sub: this.subject(sub), aud: [audience, `${this.origin}/userinfo`], iat, exp, scope,
      ...(modern ? { client_id, jti: random() } : { azp: client_id }),
      ...(organization ? { org_id: organization } : {}), ...this.people[sub].custom,
    };
    const text = audience ? await this.signed({ typ: modern ? 'at+jwt' : 'JWT' }, claims) : random();
    this.accessTokens.set(text, { ...grant, exp });
    return text;
  }

  // Ends a session, whoever wanted it, and tells the apps that it was used for.
  end(session) {
    this.sessions.delete(session.id);
    tellAll(this, session);
  }
}
