/** The commands' HTTP client against servers that lose answers, refuse, or are somebody else. */
import { createServer, type IncomingMessage, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { signOut } from '../../../cli/account/api.ts';
import { donorApi } from '../../../cli/donate/api.ts';
import { refundApi } from '../../../cli/refund/api.ts';
import { operations } from '../../harness/api-document.ts';

const ORDER = { campaignId: 'c', amount: 2_500, currency: 'USD', paymentMethod: 'pm_card_visa' };
const donation = example('POST /donate', '202');
const refund = example('POST /donations/{id}/refunds', '202');

function example(name: string, status: string): Record<string, unknown> {
  const examples = operations.get(name)?.responses[status]?.content?.['application/json']?.examples ?? {};
  return Object.values(examples)[0]?.value as Record<string, unknown>;
}

type Seen = { readonly url: string; readonly key: unknown; readonly body: string };

/** Answers the nth request with the nth listener, the last one from then on. */
async function serve(...listeners: readonly RequestListener[]): Promise<{ base: string; seen: Seen[] }> {
  const seen: Seen[] = [];
  const read = async (request: IncomingMessage): Promise<string> => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    return Buffer.concat(chunks).toString();
  };
  const server = createServer((request, response) => {
    void read(request).then((body) => {
      const listener = listeners[Math.min(seen.length, listeners.length - 1)];
      seen.push({ url: request.url ?? '', key: request.headers['idempotency-key'], body });
      listener?.(request, response);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { base: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen };
}

const sends =
  (status: number, body: unknown, headers: Record<string, string> = {}): RequestListener =>
  (_request, response) => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    response.end(typeof body === 'string' ? body : JSON.stringify(body));
  };

test('after a reset, a 503 and a 429 the same body goes out again under the same key, and the answer counts', async () => {
  const { base, seen } = await serve(
    (request) => request.socket.destroy(),
    sends(503, { code: 'overloaded' }),
    sends(429, 'slow down'),
    sends(202, donation, { 'idempotent-replayed': 'true' }),
  );
  expect(await donorApi(base).donate(ORDER, 'a-key-of-this-test')).toMatchObject({
    ...donation,
    replayed: true,
  });
  expect(seen).toHaveLength(4);
  for (const { url, key, body } of seen) {
    expect({ url, key }).toEqual({ url: '/donate', key: 'a-key-of-this-test' });
    expect(JSON.parse(body)).toEqual(ORDER);
  }
});

test('a refusal is told in the API’s words and not asked again', async () => {
  const { base, seen } = await serve(
    sends(422, {
      code: 'campaign_closed',
      title: 'This campaign does not take donations',
      errors: [{ pointer: '/campaignId', detail: 'is closed' }],
    }),
  );
  expect(await donorApi(base).donate(ORDER, 'a-key-of-this-test')).toEqual({
    refused: true,
    status: 422,
    code: 'campaign_closed',
    detail: 'This campaign does not take donations; /campaignId is closed (campaign_closed)',
  });
  expect(seen).toHaveLength(1);
});

test('a pause of minutes is told, not waited for', async () => {
  const { base, seen } = await serve(
    sends(429, { code: 'rate_limited', title: 'Too many requests' }, { 'retry-after': '900' }),
  );
  expect(await donorApi(base).donate(ORDER, 'a-key-of-this-test')).toMatchObject({
    refused: true,
    status: 429,
    code: 'rate_limited',
  });
  expect(seen).toHaveLength(1);
});

test('whoever answers something else is not taken for CareForAll', async () => {
  const page = await serve(sends(200, '<!doctype html>', { 'content-type': 'text/html' }));
  await expect(donorApi(page.base).findCampaign('x')).rejects.toThrow(
    `${page.base}/campaigns/x answers, but not as CareForAll does: it is no JSON`,
  );
  const other = await serve(sends(200, { ...donation, status: 'DONE' }));
  await expect(donorApi(other.base).donation('x', 'token')).rejects.toThrow(
    /not as CareForAll does: .*status/s,
  );
  const { donorToken: _token, ...rest } = donation;
  const accountOnly = await serve(sends(202, rest));
  await expect(donorApi(accountOnly.base).donate(ORDER, 'a-key-of-this-test')).rejects.toThrow(
    'a guest gets no donorToken',
  );
  expect(page.seen).toHaveLength(1);
});

test('fields that came later are no reason to refuse an answer', async () => {
  const { base } = await serve(sends(202, { ...refund, invented: 'tomorrow' }));
  const asked = await refundApi(base, () => Promise.resolve('token')).ask('d', {}, 'a-key-of-this-test');
  expect(asked).toEqual({ ...refund, replayed: false });
});

test('campaigns are read page by page until one is open', async () => {
  const closed = { ...example('POST /campaigns', '201'), status: 'closed' };
  const open = { ...closed, status: 'open' };
  const { base, seen } = await serve(
    sends(200, { data: [closed], nextCursor: 'a+b/c=' }),
    sends(200, { data: [open], nextCursor: null }),
  );
  expect(await donorApi(base).firstOpenCampaign()).toMatchObject({ status: 'open' });
  expect(seen.map(({ url }) => new URL(url, base).searchParams.get('cursor'))).toEqual([null, 'a+b/c=']);
});

test('an access token that is not taken is said to be the token', async () => {
  const { base } = await serve(sends(401, { code: 'unauthorized', title: 'No' }));
  const api = refundApi(base, () => Promise.resolve('wrong'));
  await expect(api.ask('d', {}, 'a-key-of-this-test')).rejects.toThrow(
    'The API does not take this access token: No (unauthorized)',
  );
});

test('an answer without a body ends a session', async () => {
  const { base, seen } = await serve((_request, response) => response.writeHead(204).end());
  await signOut(base, 'the-refresh-token');
  expect(seen).toMatchObject([{ url: '/auth/logout', body: '{"refreshToken":"the-refresh-token"}' }]);
});
