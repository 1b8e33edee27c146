// The people at the provider, and the page on which they sign in.
//
// The page has one form with `login`, `password` and a box `mfa`. Everybody's password is `password`. Nobody is asked for
// consent.

const PEOPLE = {
  ada: { name: 'Ada Lovelace', email: 'ada@example.test', groups: ['admin', 'staff'], roles: ['owner'] },
  bob: { name: 'Bob Roberts', email: 'bob@example.test', groups: ['staff'], roles: [] },
};
const PASSWORD = 'password';

export const SCOPES = {
  openid: ['sub', 'acr', 'amr', 'auth_time'],
  email: ['email', 'email_verified'],
  groups: ['groups', 'roles'],
  profile: ['name', 'preferred_username'],
};

export function findAccount(_ctx, id) {
  const person = PEOPLE[id];
  if (!person) return undefined;
  return { accountId: id, claims: () => ({ sub: id, email_verified: true, preferred_username: id, ...person }) };
}

// Grants all that is asked for.
export async function loadExistingGrant({ oidc: { client, provider, result, session } }) {
  const id = result?.consent?.grantId ?? session.grantIdFor(client.clientId);
  const found = id && (await provider.Grant.find(id));
  if (found) return found;
  const grant = new provider.Grant({ clientId: client.clientId, accountId: session.accountId });
  grant.addOIDCScope(['offline_access', ...Object.keys(SCOPES)].join(' '));
  await grant.save();
  return grant;
}

function page(refused) {
  return `<!doctype html><html lang="en"><title>Sign in at the provider</title><h1>Sign in at the provider</h1>
<form method="post"><p>${refused}</p>
<label>Name <input id="login" name="login"></label>
<label>Password <input id="password" name="password" type="password"></label>
<label><input id="mfa" name="mfa" type="checkbox"> with a second factor</label>
<button type="submit">Sign in</button></form></html>`;
}

// Asks whether to sign out, in `form`, without the fonts of strangers.
export function logoutSource(ctx, form) {
  const button = '<button id="logout" type="submit" name="logout" value="yes">Sign out</button>';
  ctx.body = `<!doctype html><html lang="en"><title>Sign out?</title><h1>Sign out?</h1>${form.replace('</form>', `${button}</form>`)}</html>`;
}

function show(response, status, refused = '') {
  response.writeHead(status, { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store' }).end(page(refused));
}

async function form(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return new URLSearchParams(Buffer.concat(chunks).toString());
}

// Shows the page, or goes on with what was typed into it.
export async function interact(provider, request, response) {
  const { prompt } = await provider.interactionDetails(request, response);
  if (prompt.name === 'consent') {
    await provider.interactionFinished(request, response, { consent: {} }, { mergeWithLastSubmission: true });
    return;
  }
  if (request.method === 'GET') {
    show(response, 200);
    return;
  }
  const typed = await form(request);
  const login = typed.get('login');
  if (!(login in PEOPLE) || typed.get('password') !== PASSWORD) {
    show(response, 403, 'That is not the name or not the password.');
    return;
  }
  const strength = typed.has('mfa') ? { acr: 'mfa', amr: ['pwd', 'otp'] } : { acr: 'pwd', amr: ['pwd'] };
  await provider.interactionFinished(request, response, { login: { accountId: login, ...strength } }, { mergeWithLastSubmission: false });
}
