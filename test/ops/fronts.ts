/** What a test makes and asks through a front: the gateway of one process, or the door before services apart. */
import { randomUUID } from 'node:crypto';
import { connect } from 'node:net';
import { json, send, type Answer, type Call } from '../integration/api/http-client.ts';

export const JSON_TYPE: [string, string] = ['Content-Type', 'application/json'];

export type Front = {
  readonly port: number;
  readonly operatorToken: string;
};

export type World = Front & {
  readonly campaignId: string;
  readonly draftId: string;
  readonly donationId: string;
  readonly donorToken: string;
  /** That of the donation. */
  readonly key: string;
};

export function bearer(token: string): [string, string] {
  return ['Authorization', `Bearer ${token}`];
}

async function newCampaign(
  { port, operatorToken }: Front,
  status: 'open' | 'draft' = 'open',
): Promise<string> {
  const answer = await send(port, {
    method: 'POST',
    path: '/campaigns',
    headers: [JSON_TYPE, bearer(operatorToken), ['Idempotency-Key', randomUUID()]],
    body: JSON.stringify({ title: 'Wells', currency: 'USD', status }),
  });
  if (answer.status !== 201) throw new Error(`no campaign: ${answer.status} ${answer.text}`);
  return (json(answer) as { id: string }).id;
}

export function donateCall(campaignId: string, key: string, fields: Record<string, unknown> = {}): Call {
  return {
    method: 'POST',
    path: '/donate',
    headers: [JSON_TYPE, ['Idempotency-Key', key]],
    body: JSON.stringify({
      campaignId,
      amount: 2500,
      currency: 'USD',
      paymentMethod: 'pm_card_visa',
      ...fields,
    }),
  };
}

export async function newWorld(front: Front): Promise<World> {
  const [campaignId, draftId] = [await newCampaign(front), await newCampaign(front, 'draft')];
  const key = randomUUID();
  const answer = await send(front.port, donateCall(campaignId, key));
  if (answer.status !== 202) throw new Error(`not accepted: ${answer.status} ${answer.text}`);
  const { id, donorToken } = json(answer) as { id: string; donorToken: string };
  return { ...front, campaignId, draftId, donationId: id, donorToken, key };
}

/**
 * The first answer to exactly these bytes; null when the connection was closed without one. Our side is closed after
 * them, since a server that goes on reading what it has refused would keep the test waiting, unless `staysOpen`: to one
 * that passes requests on, a client who has closed is gone.
 */
export async function firstAnswer(
  port: number,
  bytes: string,
  { staysOpen = false } = {},
): Promise<Answer | null> {
  const socket = connect(port, '127.0.0.1');
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  // A reset is a way to close as well.
  socket.on('error', () => undefined);
  if (staysOpen) socket.write(bytes);
  else socket.end(bytes);
  await new Promise((resolve) => socket.once('close', resolve));
  const [head = '', rest = ''] = Buffer.concat(chunks)
    .toString('utf8')
    .split(/\r\n\r\n(.*)/s);
  const [statusLine = '', ...lines] = head.split('\r\n');
  if (statusLine === '') return null;
  const headers = Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 2)]),
  );
  const text = rest.slice(0, Number(headers['content-length'] ?? rest.length));
  return { status: Number(statusLine.split(' ')[1]), headers, text };
}

/** The part of a URL that Nginx and a socket need. */
export function portOf(url: string): number {
  return Number(new URL(url).port);
}

export function addressesOf(urls: readonly string[]): string[] {
  return urls.map((url) => new URL(url).host);
}

export type { Answer, Call };
