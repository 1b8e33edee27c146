// Answers, well-formed and otherwise.
//
// { status, headers, json | html | body }, and for those that misbehave also: repeat (the body that many times), gzip
// (that many bytes of nothing, compressed), hang (never answered), reset (the connection ends after half of the body),
// trickle (milliseconds between bytes), length (a Content-Length that is not true).

import { gzipSync } from 'node:zlib';

function content(answer) {
  if (answer.json !== undefined) return ['application/json', JSON.stringify(answer.json)];
  if (answer.html !== undefined) return ['text/html; charset=utf-8', answer.html];
  return ['application/json', answer.body ?? ''];
}

async function writeAll(response, piece, times, pause) {
  for (let n = 0; n < times && !response.destroyed; n += 1) {
    const goesOn = response.write(piece);
    if (pause) await new Promise((resolve) => { setTimeout(resolve, pause).unref(); });
    else if (!goesOn) await new Promise((resolve) => { response.once('drain', resolve); response.once('close', resolve); });
  }
}

export async function send(response, answer) {
  if (answer.hang) return;
  const [type, text] = content(answer);
  const bytes = answer.gzip ? gzipSync(Buffer.alloc(answer.gzip, ' ')) : Buffer.from(text);
  const headers = { 'content-type': type, 'cache-control': 'no-store', ...answer.headers };
  if (answer.gzip) headers['content-encoding'] = 'gzip';
  const isWhole = !answer.repeat && !answer.reset && !answer.trickle;
  if (answer.length) headers['content-length'] = answer.length;
  else if (isWhole || answer.reset) headers['content-length'] = bytes.length;
  response.on('error', () => {});
  response.writeHead(answer.status ?? 200, headers);
  if (answer.reset) {
    response.write(bytes.subarray(0, bytes.length / 2), () => response.socket.destroy());
  } else if (answer.trickle) {
    for (const byte of bytes) await writeAll(response, Buffer.of(byte), 1, answer.trickle);
    response.end();
  } else {
    await writeAll(response, bytes, answer.repeat ?? 1);
    if (!answer.length) response.end();
  }
}

// An error as OAuth's endpoints answer it (RFC 6749 §5.2); `reason` is for the log and the reader.
export function oauthError(status, error, reason, headers = {}) {
  return { status, headers, json: { error, error_description: reason }, refused: `${error}: ${reason}` };
}

// What people see; real providers answer so where they must not redirect.
export function page(status, text, refused) {
  return { status, html: `<!doctype html><title>${text}</title><h1>${text}</h1>`, refused };
}
