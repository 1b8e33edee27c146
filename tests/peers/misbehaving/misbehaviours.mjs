// What can go wrong, by the endpoint or token that it concerns and by name. A test that misspells a name is refused.
//
// Each entry changes what the provider was about to send; its second argument is the value that the test gave.
// `answer`, known to every endpoint, replaces the whole answer (answer.mjs); `times` in it limits how often.

const merge = (target, values) => Object.assign(target, values);
const drop = (target, names) => [].concat(names).forEach((name) => { delete target[name]; });
const without = (name) => ({ claims }) => { delete claims[name]; };
const longer = (name) => ({ claims }) => { claims[name] = `${claims[name] ?? ''}1`; };

const MINUTE = 60;
const WEEK = 7 * 24 * 60 * MINUTE;

// `{ header, claims }` before the signature; `key`, `form` and `text` say how it is made (tokens.mjs).
const TOKEN = {
  'alg-es256': (token) => { token.key = 'ES256'; },
  'alg-hs256': (token) => { token.key = 'HS256'; },
  'alg-none': (token) => { token.form = 'unsigned'; },
  'bad-signature': (token) => { token.form = 'tampered'; },
  // Everything the provider dates is off by so many seconds.
  clock: ({ claims }, seconds) => {
    for (const name of ['iat', 'exp', 'auth_time']) if (name in claims) claims[name] += seconds;
  },
  encrypted: (token) => { token.form = 'encrypted'; },
  expired: ({ claims }) => { claims.exp = claims.iat - 6 * MINUTE; },
  header: ({ header }, values) => merge(header, values),
  'invalid-aud': longer('aud'),
  'invalid-iss': longer('iss'),
  'missing-aud': without('aud'),
  'missing-exp': without('exp'),
  'missing-iat': without('iat'),
  'missing-iss': without('iss'),
  'missing-sub': without('sub'),
  'no-kid': ({ header }) => { delete header.kid; },
  'old-iat': ({ claims }) => { claims.iat -= WEEK; },
  // Keys are replaced before the token is signed: nobody can have fetched the new ones.
  rotate: (token) => { token.rotate = true; },
  set: ({ claims }, values) => merge(claims, values),
  twice: (token, name) => { token.twice = name; },
};

const ID_TOKEN = {
  ...TOKEN,
  'aud-array': ({ claims }) => { claims.aud = [claims.aud]; },
  'invalid-at-hash': longer('at_hash'),
  'invalid-c-hash': ({ claims }) => { claims.c_hash = 'LDktKdoQak3Pk0cnXxCltA1'; },
  'invalid-nonce': longer('nonce'),
  'invalid-sub': longer('sub'),
  'missing-at-hash': without('at_hash'),
  'missing-nonce': without('nonce'),
  'second-aud': ({ claims }) => { claims.aud = [claims.aud, `${claims.aud}1`]; },
};

const json = {
  remove: (answer, names) => drop(answer.json, names),
  set: (answer, values) => merge(answer.json, values),
  suffix: (answer, ends) => {
    for (const [name, end] of Object.entries(ends)) answer.json[name] = `${answer.json[name] ?? ''}${end}`;
  },
  // The member is there a second time, with this value.
  twice: (answer, members) => {
    const more = JSON.stringify(members).slice(1);
    answer.body = `${JSON.stringify(answer.json).slice(0, -1)},${more}`;
    delete answer.json;
  },
};

const NAMES = {
  authorization: {
    // Given again, at the end.
    duplicate: (response, names) => { response.duplicate = [].concat(names); },
    error: (response, values) => {
      delete response.parameters.code;
      merge(response.parameters, values);
    },
    fragment: (response) => { response.mode = 'fragment'; },
    remove: ({ parameters }, names) => drop(parameters, names),
    set: ({ parameters }, values) => merge(parameters, values),
    suffix: ({ parameters }, values) => {
      for (const [name, end] of Object.entries(values)) parameters[name] = `${parameters[name] ?? ''}${end}`;
    },
  },
  discovery: json,
  end_session: {
    remove: ({ parameters }, names) => drop(parameters, names),
    set: ({ parameters }, values) => merge(parameters, values),
  },
  id_token: ID_TOKEN,
  introspection: json,
  jwks: { ...json, add: (answer, keys) => { answer.json.keys.unshift(...keys); } },
  logout_token: {
    ...TOKEN,
    'missing-events': without('events'),
    'missing-jti': without('jti'),
    'missing-sid': without('sid'),
    nonce: ({ claims }) => { claims.nonce = 'n'; },
    'wrong-aud': ({ claims }) => { claims.aud += 'INVALID'; },
    'wrong-event': ({ claims }) => { claims.events = { 'http://schemas.openid.net/event/other': {} }; },
    'wrong-iss': ({ claims }) => { claims.iss += 'INVALID'; },
  },
  par: json,
  refreshed_id_token: ID_TOKEN,
  refresh: json,
  revocation: {},
  token: json,
  userinfo: {
    ...json,
    'invalid-sub': ({ json: claims }) => { claims.sub += 'invalid'; },
    // As a JWT; the value is the misbehaviours of that token.
    signed: (answer, told) => { answer.signed = told; },
  },
};

// What is wrong with `told`, which should be { section: { name: value } }.
export function misspelt(told) {
  for (const [section, names] of Object.entries(told)) {
    if (!NAMES[section]) return `no misbehaviour of ${section} is known`;
    const unknown = Object.keys(names).find((name) => name !== 'answer' && !NAMES[section][name]);
    if (unknown) return `no misbehaviour of ${section} is called ${unknown}`;
  }
  return undefined;
}

// `subject` with what was told about `section` done to it.
export function changed(section, subject, told) {
  for (const [name, value] of Object.entries(told)) {
    if (name !== 'answer' && value !== false) NAMES[section][name](subject, value);
  }
  return subject;
}
