import { createStripeProvider } from '../../provider/stripe/adapter.ts';
import { LIMIT_MS, type Answer, type Limits } from './probe.ts';

/** Reads one payment: it costs nothing and shows that the key is taken. */
export async function askProvider(apiBase: string, secretKey: string, { signal }: Limits): Promise<Answer> {
  const provider = createStripeProvider({ apiBase, secretKey, timeoutMs: LIMIT_MS });
  const answer = await provider.listPayments({ limit: 1 }, signal);
  const mode = secretKey.includes('_live_') ? 'live mode: real money' : 'test mode';
  switch (answer.kind) {
    case 'yes':
      return { detail: `our key is taken (${mode})` };
    case 'our_fault':
      return {
        health: 'unhealthy',
        detail: `it refuses our key: ${answer.status} ${answer.code}`,
        fix: 'correct STRIPE_SECRET_KEY',
      };
    case 'unknown':
      throw new Error(
        answer.reason === 'connection' ? 'it cannot be reached' : `its answer: ${answer.reason}`,
      );
    default:
      return answer satisfies never;
  }
}
