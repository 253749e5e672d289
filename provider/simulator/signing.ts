import { createHmac } from 'node:crypto';

/** https://docs.stripe.com/webhooks/signature, written from the page and not with the library that checks it. */
export function signatureHeader(body: string, secret: string, timestampSeconds: number): string {
  const signature = createHmac('sha256', secret).update(`${timestampSeconds}.${body}`, 'utf8').digest('hex');
  return `t=${timestampSeconds},v1=${signature}`;
}
