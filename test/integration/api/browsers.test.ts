/** What browsers and caches are told: with every answer, and to the pages of which origins. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isolatedDatabases } from '../database/isolated-databases.ts';
import {
  donate,
  donation,
  donationBody,
  newCampaign,
  newKey,
  OPERATOR_TOKEN,
  startGateway,
  type Gateway,
} from './gateway.ts';
import { problem, send, sendBytes, type Answer, type Call } from './http-client.ts';

const { urls } = isolatedDatabases(['donations', 'payments', 'campaigns']);
const PAGE = 'https://give.example.org';
const STRANGER = 'https://evil.example';

let gateway: Gateway;
let closed: Gateway;
let campaignId: string;
let made: { id: string; donorToken: string };
beforeAll(async () => {
  const env = {
    CORS_ORIGINS: `${PAGE}, http://localhost:5173`,
    LIMITS: JSON.stringify({ write: { address: { requests: 1, seconds: 60 } }, ownNetworks: ['127.0.0.1'] }),
    TRUSTED_PROXIES: '127.0.0.1',
  };
  gateway = await startGateway({ urls, env });
  closed = await startGateway({ urls });
  campaignId = await newCampaign(gateway);
  made = donation(await donate(gateway, newKey(), donationBody(campaignId)));
});
afterAll(async () => {
  await gateway[Symbol.asyncDispose]();
  await closed[Symbol.asyncDispose]();
});

const OPERATOR: [string, string] = ['Authorization', `Bearer ${OPERATOR_TOKEN}`];

const answers: readonly (readonly [name: string, status: number, ask: () => Promise<Answer>])[] = [
  ['health', 200, () => gateway.send({ path: '/livez' })],
  ['a list', 200, () => gateway.send({ path: '/campaigns' })],
  ['totals', 200, () => gateway.send({ path: `/campaigns/${campaignId}/total` })],
  [
    'totals that are known',
    304,
    () => gateway.send({ path: `/campaigns/${campaignId}/total`, headers: [['If-None-Match', '*']] }),
  ],
  ['a donation', 202, () => donate(gateway, newKey(), donationBody(campaignId))],
  ['what can be done', 204, () => gateway.send({ method: 'OPTIONS', path: '/donate' })],
  ['a bad body', 400, () => donate(gateway, newKey(), '{')],
  ['a missing token', 401, () => gateway.send({ path: '/admin/reviews' })],
  ['nothing there', 404, () => gateway.send({ path: '/nowhere' })],
  ['a path that cannot be read', 404, () => send(gateway.port, { path: '/campaigns/%E0%A4%A' })],
  ['another method', 405, () => gateway.send({ method: 'PUT', path: '/donate' })],
  ['a large body', 413, () => donate(gateway, newKey(), 'x'.repeat(20_000))],
  ['another type', 415, () => gateway.send({ method: 'POST', path: '/donate', body: 'x' })],
  [
    'too many requests',
    429,
    async () => {
      const call = {
        method: 'POST',
        path: '/campaigns',
        headers: [['X-Forwarded-For', '198.51.100.1']],
      } as const;
      await gateway.send(call);
      return gateway.send(call);
    },
  ],
  ['no HTTP', 400, () => sendBytes(gateway.port, 'nonsense\r\n\r\n')],
  [
    'large headers',
    431,
    () => sendBytes(gateway.port, `GET / HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(70_000)}\r\n\r\n`),
  ],
  [
    'an expectation',
    417,
    () => sendBytes(gateway.port, 'GET /livez HTTP/1.1\r\nHost: x\r\nExpect: miracles\r\n\r\n'),
  ],
];

test.each(answers)(
  '%s: no browser takes it for a page, no cache keeps it by chance',
  async (_name, status, ask) => {
    const answer = await ask();
    expect(answer.status).toBe(status);
    expect(answer.headers).toMatchObject({
      'x-content-type-options': 'nosniff',
      'content-security-policy':
        "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
      'x-frame-options': 'DENY',
      'referrer-policy': 'no-referrer',
      'cross-origin-resource-policy': 'same-origin',
    });
    expect(answer.headers['cache-control']).toMatch(/^(?:no-store|no-cache)$/);
    for (const name of ['x-powered-by', 'server', 'set-cookie'])
      expect(answer.headers[name], name).toBeUndefined();
  },
);

describe('what is for one person is for no cache', () => {
  const reads: readonly (readonly [name: string, call: () => Call])[] = [
    [
      'a donation',
      () => ({ path: `/donations/${made.id}`, headers: [['Authorization', `Bearer ${made.donorToken}`]] }),
    ],
    [
      'its events',
      () => ({
        method: 'HEAD',
        path: `/donations/${made.id}/events`,
        headers: [['Authorization', `Bearer ${made.donorToken}`]],
      }),
    ],
    ['a history', () => ({ path: '/me/donations', headers: [OPERATOR] })],
    ['the reviews', () => ({ path: '/admin/reviews', headers: [OPERATOR] })],
    ['refunds', () => ({ path: `/donations/${made.id}/refunds`, headers: [OPERATOR] })],
  ];
  test.each(reads)('%s', async (_name, call) => {
    const answer = await gateway.send(call());
    expect(answer.headers['cache-control']).toContain('no-store');
  });

  test('and what depends on who asks says so, also to those who say nothing of themselves', async () => {
    for (const headers of [[], [OPERATOR]]) {
      const answer = await gateway.send({ path: `/campaigns/${campaignId}`, headers });
      expect(answer.status).toBe(200);
      expect(answer.headers['vary']).toContain('Authorization');
    }
  });

  test('while totals are the same for everybody', async () => {
    const answer = await closed.send({ path: `/campaigns/${campaignId}/total`, headers: [OPERATOR] });
    expect([answer.status, answer.headers['vary']]).toEqual([200, undefined]);
  });
});

const corsOf = ({ headers }: Answer): string[] =>
  Object.keys(headers).filter((name) => name.startsWith('access-control-'));

/** Of any spelling, which the description of the API has no word for. */
function preflight(path: string, origin: string, to = gateway): Promise<Answer> {
  return send(to.port, {
    method: 'OPTIONS',
    path,
    headers: [
      ['Origin', origin],
      ['Access-Control-Request-Method', 'POST'],
      ['Access-Control-Request-Headers', 'authorization,content-type,idempotency-key,prefer,traceparent'],
    ],
  });
}

describe('a page of an origin that is configured', () => {
  test('may read answers, problems among them, and the headers they speak of', async () => {
    for (const path of ['/campaigns', '/nowhere', `/donations/${made.id}`]) {
      const answer = await gateway.send({ path, headers: [['Origin', PAGE]] });
      expect(answer.headers['access-control-allow-origin']).toBe(PAGE);
      expect(answer.headers['vary']).toContain('Origin');
      const exposed = (answer.headers['access-control-expose-headers'] ?? '').toLowerCase().split(', ');
      for (const name of ['location', 'retry-after', 'etag', 'idempotent-replayed', 'ratelimit-remaining'])
        expect(exposed).toContain(name);
    }
  });

  test('may give: the preflight names the route’s methods and all that is sent with it', async () => {
    const answer = await preflight('/donate', PAGE);
    expect(answer.status).toBe(204);
    expect(answer.headers).toMatchObject({
      'access-control-allow-origin': PAGE,
      'access-control-allow-methods': 'POST',
      'access-control-max-age': '600',
      allow: 'POST',
    });
    const allowed = (answer.headers['access-control-allow-headers'] ?? '').toLowerCase().split(', ');
    for (const name of ['authorization', 'content-type', 'idempotency-key', 'prefer', 'traceparent'])
      expect(allowed).toContain(name);
    for (const name of ['Origin', 'Access-Control-Request-Method', 'Access-Control-Request-Headers'])
      expect(answer.headers['vary']).toContain(name);
  });

  test('never sends credentials of the browser: no answer allows them, and none is for everybody', async () => {
    for (const answer of [await preflight('/donate', PAGE), await gateway.send({ path: '/campaigns' })]) {
      expect(answer.headers['access-control-allow-credentials']).toBeUndefined();
      expect(answer.headers['access-control-allow-origin']).not.toBe('*');
    }
  });

  test.each(['/webhooks/stripe', '/admin/reviews', '/internal/campaigns/x', '/ADMIN/reviews'])(
    'has no business at %s',
    async (path) => {
      expect(corsOf(await preflight(path, PAGE))).toEqual([]);
      expect(corsOf(await send(gateway.port, { path, headers: [['Origin', PAGE], OPERATOR] }))).toEqual([]);
    },
  );
});

describe('a page of any other origin is told nothing', () => {
  test.each([
    STRANGER,
    'null',
    `${PAGE}.evil.example`,
    `${PAGE}:8443`,
    PAGE.replace('https', 'http'),
    PAGE.toUpperCase(),
    `${PAGE}/`,
    'https://evil-give.example.org',
    '*',
    '',
  ])('%j', async (origin) => {
    for (const answer of [
      await preflight('/donate', origin),
      await gateway.send({ path: '/campaigns', headers: [['Origin', origin]] }),
    ]) {
      expect(corsOf(answer)).toEqual([]);
      // Otherwise a cache could show a page of ours an answer without its headers.
      expect(answer.headers['vary']).toContain('Origin');
    }
  });

  test('nor when it sends two origins', async () => {
    const answer = await sendBytes(
      gateway.port,
      `GET /campaigns HTTP/1.1\r\nHost: x\r\nConnection: close\r\nOrigin: ${PAGE}\r\nOrigin: ${STRANGER}\r\n\r\n`,
    );
    expect([answer.status, corsOf(answer)]).toEqual([200, []]);
  });

  test('nor when nothing is configured', async () => {
    expect(corsOf(await preflight('/donate', PAGE, closed))).toEqual([]);
    const answer = await closed.send({ path: '/campaigns', headers: [['Origin', PAGE]] });
    expect([corsOf(answer), answer.status]).toEqual([[], 200]);
  });
});

test('OPTIONS that is no preflight says what a route can do, as ever', async () => {
  const answer = await gateway.send({ method: 'OPTIONS', path: '/donate', headers: [['Origin', PAGE]] });
  expect([answer.status, answer.headers['allow']]).toEqual([204, 'POST']);
  expect(answer.headers['access-control-allow-methods']).toBeUndefined();
});

test('a body that a page may send without asking is refused for its type', async () => {
  for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x']) {
    const answer = await gateway.send({
      method: 'POST',
      path: '/donate',
      headers: [
        ['Content-Type', type],
        ['Idempotency-Key', newKey()],
        ['Origin', STRANGER],
      ],
      body: JSON.stringify(donationBody(campaignId)),
    });
    expect([answer.status, problem(answer).code]).toEqual([415, 'unsupported_media_type']);
  }
});
