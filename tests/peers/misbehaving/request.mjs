// Requests as they arrived: read whole, parameters with their repetitions.

const MAX_BODY_BYTES = 1024 * 1024;
const FORM = 'application/x-www-form-urlencoded';

async function body(incoming) {
  const chunks = [];
  let length = 0;
  for await (const chunk of incoming) {
    length += chunk.length;
    if (length > MAX_BODY_BYTES) throw new Error('the body is too long');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

export async function receive(incoming, origin) {
  const url = new URL(incoming.url, origin);
  const text = await body(incoming);
  const isForm = (incoming.headers['content-type'] ?? '').split(';')[0].trim() === FORM;
  return {
    method: incoming.method,
    url,
    headers: incoming.headers,
    body: text,
    isForm,
    query: url.searchParams,
    form: new URLSearchParams(isForm ? text : ''),
  };
}

// The one value of each parameter, or what is wrong with them (RFC 6749 §3.1: none more than once).
export function single(parameters) {
  const values = {};
  for (const [name, value] of parameters) {
    if (name in values) return { twice: name };
    values[name] = value;
  }
  return { values };
}

export function cookie(request, name) {
  const pairs = (request.headers.cookie ?? '').split(';').map((pair) => pair.trim().split('='));
  return pairs.find(([found]) => found === name)?.[1];
}
