// An identity provider on loopback: `node issuer.js [PORT]`. It makes new keys at each start, prints its address, and
// gives tokens for client credentials (client "caller", secret "secret") with an audience that the caller names.
import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import { once } from 'node:events';
import Provider from 'oidc-provider';

const key = (kid, alg, ...options) => ({
  ...generateKeyPairSync(...options).privateKey.export({ format: 'jwk' }), kid, alg, use: 'sig',
});
const started = Date.now();
const keys = [
  key(`rsa-${started}`, 'RS256', 'rsa', { modulusLength: 2048 }),
  key(`ec-${started}`, 'ES256', 'ec', { namedCurve: 'P-256' }),
  key(`ed-${started}`, 'EdDSA', 'ed25519'),
];

const server = createServer();
server.listen(Number(process.argv[2] ?? 0), '127.0.0.1');
await once(server, 'listening');
const issuer = `http://127.0.0.1:${server.address().port}`;

const provider = new Provider(issuer, {
  clients: [{
    client_id: 'caller', client_secret: 'secret', grant_types: ['client_credentials'],
    redirect_uris: [], response_types: [],
  }],
  jwks: { keys },
  scopes: ['chat', 'skill:review'],
  enabledJWA: { idTokenSigningAlgValues: ['RS256', 'ES256', 'EdDSA'] },
  extraTokenClaims: () => ({ organisation: 'acme' }),
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    resourceIndicators: {
      enabled: true,
      // The last part of the audience names the algorithm, for whoever wants another one than RS256.
      getResourceServerInfo: (context, resource) => ({
        scope: 'chat skill:review', audience: resource, accessTokenTTL: 300, accessTokenFormat: 'jwt',
        jwt: { sign: { alg: new URL(resource).pathname.slice(1) || 'RS256' } },
      }),
    },
  },
});
server.on('request', provider.callback());
console.log(issuer);
