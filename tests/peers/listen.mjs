// Where a stand-in listens: a free port of 127.0.0.1. Where TLS_CERTIFICATE and TLS_KEY name files, it speaks TLS and calls itself `host`.

import { readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';

// Its origin, once it listens.
export async function listen(host, answer) {
  const { TLS_CERTIFICATE: certificate, TLS_KEY: key } = process.env;
  const server = certificate
    ? https.createServer({ cert: readFileSync(certificate), key: readFileSync(key) }, answer)
    : http.createServer(answer);
  // A client must not meet the end of a connection that it was about to use.
  server.keepAliveTimeout = 0;
  await new Promise((done) => { server.listen(0, '127.0.0.1', done); });
  const { port } = server.address();
  return certificate ? `https://${host}:${port}` : `http://127.0.0.1:${port}`;
}
