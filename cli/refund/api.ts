/** Refunds over the HTTP API, as an operator or an organizer. */
import type { z } from 'zod';
import { readDonationAnswer } from '../../api/donations/answers.ts';
import { refundAnswer } from '../../api/payments/answers.ts';
import type { CurrencyCode } from '../../domain/money.ts';
import { answered, apiClient, type Refusal } from '../api.ts';
import { CommandProblem } from '../problem.ts';

export type Refund = z.infer<typeof refundAnswer>;
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
  const api = apiClient(base);
  const bearer = async (): Promise<{ authorization: string }> => ({
    authorization: `Bearer ${await token()}`,
  });
  return {
    currencyOf: async (id) => {
      const asked = api.GET('/donations/{id}', { params: { path: { id } }, headers: await bearer() });
      const { answer } = await answered(asked, readDonationAnswer);
      return 'refused' in answer ? answer : answer.currency;
    },
    ask: async (id, { currency, ...order }, key) => {
      // A currency that is none is for the API to refuse, in its own words.
      const body = { ...order, ...(currency === undefined ? {} : { currency: currency as CurrencyCode }) };
      const params = { path: { id }, header: { 'Idempotency-Key': key } };
      const asked = api.POST('/donations/{id}/refunds', { params, headers: await bearer(), body });
      const { answer, headers } = await answered(asked, refundAnswer);
      if (!('refused' in answer))
        return { ...answer, replayed: headers.get('idempotent-replayed') === 'true' };
      if (answer.status === 401)
        throw new CommandProblem(`The API does not take this access token: ${answer.detail}`);
      return answer;
    },
    find: async (id, refundId) => {
      const params = { path: { id, refundId } };
      const asked = api.GET('/donations/{id}/refunds/{refundId}', { params, headers: await bearer() });
      return (await answered(asked, refundAnswer)).answer;
    },
  };
}
