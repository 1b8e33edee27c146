// Package tlsalpn01 has the name of a protocol (RFC 8737) that servers must know in order not to speak it.
package tlsalpn01

// ACMETLS1Protocol is that name.
const ACMETLS1Protocol = "acme-tls/1"
