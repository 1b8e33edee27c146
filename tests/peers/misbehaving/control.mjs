// What a test tells a provider and asks of it, under ORIGIN/NAME/test/ with JSON in and out.
//
//   POST client       register a client, or register it anew: client_id, redirect_uris, and what else it has
//   POST misbehave    { section: { name: value } }, in place of what was told before; {} is honest again
//   POST settings     { alg, claims, expires_in, refresh, user }: those given (provider.mjs)
//   POST person       { sub, … }: the claims of somebody
//   POST rotate       { keep }: sign with new keys
//   POST logout       { client_id, sub, sid, misbehaviour }: send a logout token; what came back, and the token. A sign-out
//                     without misbehaviour has ended the session here, too
//   POST logout_token the same, but only the token
//   POST revoke       { sub }: end everything of somebody, as an administrator does
//   GET  log          every request so far
//   GET  sessions     who is signed in, with the `sid` of each client
//   GET  frames?sid=  the addresses of the frames of a front-channel logout

import { misspelt } from './misbehaviours.mjs';
import { frames, logoutToken, tell } from './logout.mjs';

const CLIENT = {
  client_secret: 'a secret of the client',
  token_endpoint_auth_method: 'client_secret_basic',
  post_logout_redirect_uris: [],
};

const bad = (error) => ({ status: 400, json: { error } });

function endSessions(provider, { client_id, sub, sid }) {
  for (const [id, session] of provider.sessions) {
    if (sid ? session.sids[client_id] === sid : session.sub === sub) provider.sessions.delete(id);
  }
}

function unknown(given, known) {
  return Object.keys(given).find((name) => !(name in known));
}

const COMMANDS = {
  client(provider, told) {
    provider.clients.set(told.client_id, { ...CLIENT, ...told });
  },
  misbehave(provider, told) {
    const wrong = misspelt(told);
    if (wrong) return bad(wrong);
    provider.misbehaviours = told;
    return undefined;
  },
  settings(provider, told) {
    const wrong = unknown(told, provider.settings);
    if (wrong) return bad(`no setting is called ${wrong}`);
    Object.assign(provider.settings, told);
    return undefined;
  },
  person(provider, { sub, ...claims }) {
    provider.people[sub] = claims;
  },
  async rotate(provider, told) {
    await provider.rotate(told);
  },
  async logout(provider, told) {
    const wrong = misspelt({ logout_token: told.misbehaviour ?? {} });
    if (wrong) return bad(wrong);
    const token = await logoutToken(provider, told);
    if (!told.misbehaviour) endSessions(provider, told);
    return { json: { ...(await tell(provider, told.client_id, token)), token } };
  },
  async logout_token(provider, told) {
    const wrong = misspelt({ logout_token: told.misbehaviour ?? {} });
    return wrong ? bad(wrong) : { json: { token: await logoutToken(provider, told) } };
  },
  revoke(provider, { sub }) {
    for (const grant of provider.refreshTokens.values()) if (grant.sub === sub) provider.endFamily(grant.family);
    for (const [id, session] of provider.sessions) if (session.sub === sub) provider.sessions.delete(id);
  },
  log: (provider) => ({ json: provider.requests }),
  sessions: (provider) => ({ json: [...provider.sessions.values()] }),
  frames: (provider, _told, query) => ({ json: frames(provider, query.get('sid')) }),
};

export async function control(provider, name, request) {
  const command = COMMANDS[name];
  if (!command) return { status: 404, json: { error: `no command is called ${name}` } };
  const told = request.body === '' ? {} : JSON.parse(request.body);
  return (await command(provider, told, request.query)) ?? { json: {} };
}
