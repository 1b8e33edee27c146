// What a test tells a tenant and asks of it, under ORIGIN/test/ with JSON in and out.
//
//   POST client       register a client: client_id, redirect_uris, and what else it has
//   POST settings     those given (the dialects say which there are); null switches one off
//   POST person       { sub, … }: change somebody
//   POST clock        { offset }: seconds from the machine's clock
//   POST rotate       sign with a new key; the old one stays published
//   POST end          { sub }: end the sessions of somebody, as an administrator does; apps are told as the dialect has it
//   POST logout_token a logout token that is not sent (auth0_logout.mjs says what can be changed); `replay`: the newest ID token
//   POST deliver      { client_id, token }: send a logout token; what came back
//   POST forget       Mosaic forgets the tokens of clients
//   GET  log          every request so far
//   GET  logouts      what became of each logout token that the tenant sent by itself
//   GET  sessions     the sessions, with `sid` and clients
//   GET  session_ids  the names of the sessions, which only backends may know
//   GET  frames?sid=  the addresses of the frames that end a session
//   GET  access_tokens  those that were given out, oldest first
//   GET  federated    whose sessions at identity providers behind the tenant were ended

import { logoutToken, tell } from './auth0_logout.mjs';
import { frames } from './okta_logout.mjs';

const CLIENT = { client_secret: 'a secret of the client', token_endpoint_auth_method: 'client_secret_basic', post_logout_redirect_uris: [] };
const bad = (error) => ({ status: 400, json: { error } });
const known = (sessions) => [...sessions.values()].map(({ id: _id, ...session }) => ({ ...session, clients: [...session.clients] }));

const COMMANDS = {
  client(tenant, told) {
    tenant.clients.set(told.client_id, { ...CLIENT, ...told });
  },
  settings(tenant, told) {
    const wrong = Object.keys(told).find((name) => !(name in tenant.settings));
    if (wrong) return bad(`no setting is called ${wrong}`);
    for (const [name, value] of Object.entries(told)) tenant.settings[name] = value ?? undefined;
    return undefined;
  },
  person(tenant, { sub, ...told }) {
    Object.assign(tenant.people[sub], told);
  },
  clock(tenant, { offset }) {
    tenant.offset = offset;
  },
  async rotate(tenant) {
    await tenant.rotate();
  },
  end(tenant, { sub }) {
    for (const session of [...tenant.sessions.values()]) if (session.sub === sub) tenant.end(session);
  },
  forget(tenant) {
    tenant.clientTokens.clear();
  },
  async logout_token(tenant, told) {
    return { json: { token: told.replay ? tenant.lastIdToken : await logoutToken(tenant, told) } };
  },
  async deliver(tenant, { client_id: client, token }) {
    return { json: await tell(tenant, client, token) };
  },
  log: (tenant) => ({ json: tenant.requests }),
  logouts: (tenant) => ({ json: tenant.logouts }),
  sessions: (tenant) => ({ json: known(tenant.sessions) }),
  session_ids: (tenant) => ({ json: [...tenant.sessions.keys()] }),
  access_tokens: (tenant) => ({ json: [...tenant.accessTokens.keys()] }),
  federated: (tenant) => ({ json: tenant.federated ?? [] }),
  frames(tenant, _told, query) {
    const session = [...tenant.sessions.values()].find(({ sid }) => sid === query.get('sid'));
    // Those that people sign in at, where a tenant has several servers.
    const server = tenant.servers?.find(({ name }) => name === 'default') ?? tenant;
    return session ? { json: frames(server, session) } : bad('there is no such session');
  },
};

export async function control(tenant, name, request) {
  const command = COMMANDS[name];
  if (!command) return { status: 404, json: { error: `no command is called ${name}` } };
  const told = request.body === '' ? {} : JSON.parse(request.body);
  return (await command(tenant, told, request.query)) ?? { json: {} };
}
