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

export function refundApi(base: string, operatorToken: string): RefundApi {
  const authorization = `Bearer ${operatorToken}`;
  return {
    currencyOf: async (donationId) => {
      const found = await read(`${base}/donations/${donationId}`, donation, { headers: { authorization } });
      return 'refused' in found ? found : found.currency;
    },
    ask: async (donationId, order, key) => {
      const { answer, headers } = await ask(`${base}/donations/${donationId}/refunds`, refund, {
        method: 'POST',
        headers: { authorization, 'content-type': 'application/json', 'idempotency-key': key },
        body: JSON.stringify(order),
      });
      if (!('refused' in answer))
        return { ...answer, replayed: headers.get('idempotent-replayed') === 'true' };
      if (answer.status === 401)
        throw new CommandProblem(`The API does not take OPERATOR_TOKEN: ${answer.detail}`);
      return answer;
    },
    find: (donationId, refundId) =>
      read(`${base}/donations/${donationId}/refunds/${refundId}`, refund, { headers: { authorization } }),
  };
}
