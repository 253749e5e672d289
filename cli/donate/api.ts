/** The public API as a donor's program uses it. */
import { z } from 'zod';
import { RANK, type PaymentStatus } from '../../domain/payment.ts';
import { ask, read, type Refusal } from '../api.ts';
import { CommandProblem } from '../problem.ts';

const statuses = Object.keys(RANK) as [PaymentStatus, ...PaymentStatus[]];
const campaign = z.object({ id: z.string(), title: z.string(), currency: z.string(), status: z.string() });
const campaigns = z.object({ data: z.array(campaign), nextCursor: z.string().nullable() });
const donation = z.object({
  id: z.string(),
  status: z.enum(statuses),
  campaignId: z.string(),
  amount: z.number(),
  currency: z.string(),
  version: z.number(),
  createdAt: z.string(),
  failure: z.object({ code: z.string() }).optional(),
});
const accepted = donation.extend({ donorToken: z.string() });
export type Campaign = z.infer<typeof campaign>;
export type Donation = z.infer<typeof donation>;
export type Accepted = z.infer<typeof accepted> & { readonly replayed: boolean };
export type Order = {
  readonly campaignId: string;
  readonly amount: number;
  readonly currency: string;
  readonly paymentMethod: string;
};

export type DonorApi = {
  findCampaign(id: string): Promise<Campaign | Refusal>;
  /** Newest first, as the list gives them. */
  firstOpenCampaign(): Promise<Campaign | null>;
  donate(order: Order, key: string): Promise<Accepted | Refusal>;
  donation(id: string, token: string): Promise<Donation | Refusal>;
};

export function donorApi(base: string): DonorApi {
  return {
    findCampaign: (id) => read(`${base}/campaigns/${id}`, campaign),
    firstOpenCampaign: async () => {
      let cursor: string | null = null;
      do {
        const page: z.infer<typeof campaigns> | Refusal = await read(
          `${base}/campaigns?limit=100${cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`}`,
          campaigns,
        );
        if ('refused' in page) throw new CommandProblem(`Campaigns cannot be listed: ${page.detail}`);
        const open = page.data.find(({ status }) => status === 'open');
        if (open !== undefined) return open;
        cursor = page.nextCursor;
      } while (cursor !== null);
      return null;
    },
    donate: async (order, key) => {
      const { answer, headers } = await ask(`${base}/donate`, accepted, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'idempotency-key': key },
        body: JSON.stringify(order),
      });
      return 'refused' in answer
        ? answer
        : { ...answer, replayed: headers.get('idempotent-replayed') === 'true' };
    },
    donation: (id, token) =>
      read(`${base}/donations/${id}`, donation, { headers: { authorization: `Bearer ${token}` } }),
  };
}
