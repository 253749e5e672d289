/** Refunds over the HTTP API, as an operator. */
import { z } from 'zod';
import { ask, read, type Refusal } from '../api.ts';
import { CommandProblem } from '../problem.ts';

const refund = z.object({
  id: z.string(),
  donationId: z.string(),
  amount: z.number(),
  currency: z.string(),
  status: z.enum(['pending', 'succeeded', 'failed']),
  requestedBy: z.string(),
  createdAt: z.string(),
  reason: z.string().optional(),
  failure: z.object({ code: z.string() }).optional(),
});
const donation = z.object({ id: z.string(), currency: z.string() });

export type Refund = z.infer<typeof refund>;
export type RefundOrder = {
  /** All that is left of the donation unless told. */
  readonly amount?: number;
  readonly currency?: string;
  readonly reason?: string;
};

export type RefundApi = {
  currencyOf(donationId: string): Promise<string | Refusal>;
  ask(
    donationId: string,
    order: RefundOrder,
    key: string,
  ): Promise<(Refund & { readonly replayed: boolean }) | Refusal>;
  find(donationId: string, refundId: string): Promise<Refund | Refusal>;
};

/** `token` is asked for each time: waiting for a refund may take longer than one lasts. */
export function refundApi(base: string, token: () => Promise<string>): RefundApi {
  const bearer = async (): Promise<{ authorization: string }> => ({
    authorization: `Bearer ${await token()}`,
  });
  return {
    currencyOf: async (donationId) => {
      const found = await read(`${base}/donations/${donationId}`, donation, { headers: await bearer() });
      return 'refused' in found ? found : found.currency;
    },
    ask: async (donationId, order, key) => {
      const { answer, headers } = await ask(`${base}/donations/${donationId}/refunds`, refund, {
        method: 'POST',
        headers: { ...(await bearer()), 'content-type': 'application/json', 'idempotency-key': key },
        body: JSON.stringify(order),
      });
      if (!('refused' in answer))
        return { ...answer, replayed: headers.get('idempotent-replayed') === 'true' };
      if (answer.status === 401)
        throw new CommandProblem(`The API does not take this access token: ${answer.detail}`);
      return answer;
    },
    find: async (donationId, refundId) =>
      await read(`${base}/donations/${donationId}/refunds/${refundId}`, refund, { headers: await bearer() }),
  };
}
