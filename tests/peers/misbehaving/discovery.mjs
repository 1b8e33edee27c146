// What a client finds out by itself: the metadata (OpenID Connect Discovery §3, RFC 8414) and the keys (RFC 7517).

export function discovery(provider) {
  const at = (path) => `${provider.issuer}/${path}`;
  return {
    json: {
      issuer: provider.issuer,
      authorization_endpoint: at('authorize'),
      token_endpoint: at('token'),
      userinfo_endpoint: at('userinfo'),
      jwks_uri: at('jwks'),
      end_session_endpoint: at('logout'),
      introspection_endpoint: at('introspect'),
      revocation_endpoint: at('revoke'),
      pushed_authorization_request_endpoint: at('par'),
      authorization_response_iss_parameter_supported: true,
      backchannel_logout_session_supported: true,
      backchannel_logout_supported: true,
      claims_supported: ['sub', 'email', 'name', 'groups', 'auth_time', 'amr', 'acr', 'sid'],
      code_challenge_methods_supported: ['S256'],
      frontchannel_logout_session_supported: true,
      frontchannel_logout_supported: true,
      grant_types_supported: ['authorization_code', 'refresh_token'],
      id_token_signing_alg_values_supported: ['RS256', 'ES256'],
      response_modes_supported: ['query', 'form_post'],
      response_types_supported: ['code'],
      scopes_supported: ['openid', 'profile', 'email', 'groups', 'offline_access'],
      subject_types_supported: ['public'],
      token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post', 'private_key_jwt', 'none'],
    },
  };
}

export function jwks(provider) {
  return { json: { keys: [...provider.keys, ...provider.published].map((key) => key.jwk) } };
}
