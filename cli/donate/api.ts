/** The public API as a donor's program uses it. */
import type { z } from 'zod';
import { campaignAnswer, campaignsAnswer } from '../../api/campaigns/answers.ts';
import { acceptedDonationAnswer, readDonationAnswer } from '../../api/donations/answers.ts';
import type { CurrencyCode } from '../../domain/money.ts';
import { answered, apiClient, notOurs, type Refusal } from '../api.ts';
import { CommandProblem } from '../problem.ts';

export type Campaign = Pick<z.infer<typeof campaignAnswer>, 'id' | 'title' | 'currency' | 'status'>;
export type Donation = z.infer<typeof readDonationAnswer>;
export type Accepted = z.infer<typeof acceptedDonationAnswer> & {
  readonly donorToken: string;
  readonly replayed: boolean;
};
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
  const api = apiClient(base);
  return {
    findCampaign: async (id) =>
      (await answered(api.GET('/campaigns/{id}', { params: { path: { id } } }), campaignAnswer)).answer,
    firstOpenCampaign: async () => {
      let cursor: string | null = null;
      do {
        const query: { limit: number; cursor?: string } = {
          limit: 100,
          ...(cursor === null ? {} : { cursor }),
        };
        const { answer } = await answered(api.GET('/campaigns', { params: { query } }), campaignsAnswer);
        if ('refused' in answer) throw new CommandProblem(`Campaigns cannot be listed: ${answer.detail}`);
        const open = answer.data.find(({ status }) => status === 'open');
        if (open !== undefined) return open;
        cursor = answer.nextCursor;
      } while (cursor !== null);
      return null;
    },
    donate: async (order, key) => {
      // A currency that is none is for the API to refuse, in its own words.
      const body = { ...order, currency: order.currency as CurrencyCode };
      const params = { header: { 'Idempotency-Key': key } };
      const { answer, headers } = await answered(
        api.POST('/donate', { params, body }),
        acceptedDonationAnswer,
      );
      if ('refused' in answer) return answer;
      const { donorToken } = answer;
      if (donorToken === undefined) throw notOurs(`${base}/donate`, 'a guest gets no donorToken');
      return { ...answer, donorToken, replayed: headers.get('idempotent-replayed') === 'true' };
    },
    donation: async (id, token) => {
      const init = { params: { path: { id } }, headers: { authorization: `Bearer ${token}` } };
      return (await answered(api.GET('/donations/{id}', init), readDonationAnswer)).answer;
    },
  };
}
