/** Stops who tries out stolen cards, and nobody else: see docs/decisions/0022. */
import type { Pool } from 'pg';
import type { Actor } from '../../domain/actor.ts';
import { isDeclining, isTesting, type CardRule } from '../../domain/card-testing.ts';
import { membershipOf } from '../../platform/addresses.ts';
import type { Limits } from '../../platform/limit-settings.ts';
import type { Logger } from '../../platform/log.ts';
import type { Client } from '../http/client-address.ts';
import { Problem } from '../http/problem.ts';
import { createCardAttempts, type Tried } from './card-attempts.ts';
import type { DonationIdentity } from './identity.ts';

export type Attempt = {
  readonly donationId: string;
  readonly client: Client;
  readonly actor: Actor;
  readonly campaignId: string;
  readonly paymentMethod: string;
};

export type CardTesting = {
  /** Asked for new donations alone: the answer to one that is there is durable already. */
  refusalOf(attempt: Attempt): Promise<Problem | null>;
  /** A new donation was accepted. Never waited for: a note that is lost lets one more card through. */
  note(attempt: Attempt): void;
};

export function createCardTesting(
  pool: Pool,
  { digest }: Pick<DonationIdentity, 'digest'>,
  { cards, ownNetworks }: Pick<Limits, 'cards' | 'ownNetworks'>,
  log: Logger,
): CardTesting {
  const isOwn = membershipOf(ownNetworks);
  const attempts = createCardAttempts(pool, cards.windowSeconds);

  const addressOf = ({ client }: Attempt): Buffer => digest('address', client.network);
  const campaignOf = ({ campaignId }: Attempt): Buffer => digest('campaign', campaignId);
  const accountOf = ({ actor }: Attempt): Buffer | null =>
    actor.kind === 'user' ? digest('account', actor.id) : null;

  return {
    refusalOf: async (attempt) => {
      if (isOwn(attempt.client.address)) return null;
      const account = accountOf(attempt);
      const [byAddress, byCampaign, byAccount] = await Promise.all([
        attempts.of({ digest: addressOf(attempt), maxTried: cards.address.triedCards }),
        attempts.of({ digest: campaignOf(attempt), maxTried: 0 }),
        account === null ? null : attempts.of({ digest: account, maxTried: cards.account.triedCards }),
      ]);
      const isUnderAttack = isDeclining(byCampaign, cards.campaign);
      const found =
        refusing(byAddress, cards.address) ??
        (isUnderAttack ? refusing(byAddress, cards.addressUnderAttack) : null) ??
        (byAccount === null ? null : refusing(byAccount, cards.account));
      if (found === null) return null;
      const { clearsInMs, ...tried } = found;
      log.warn({ campaignId: attempt.campaignId, isUnderAttack, ...tried }, 'card testing refused');
      return new Problem('rate_limited', {
        detail: 'too many payment methods were tried or declined; wait before the next',
        retryAfterSeconds: Math.max(1, Math.ceil(clearsInMs / 1_000)),
      });
    },

    note: (attempt) => {
      if (isOwn(attempt.client.address)) return;
      const account = accountOf(attempt);
      attempts
        .note({
          donationId: attempt.donationId,
          subjects: [addressOf(attempt), campaignOf(attempt), ...(account === null ? [] : [account])],
          card: digest('card', ...cardOf(attempt)),
        })
        .catch((err: unknown) => log.warn({ err }, 'a card attempt was not noted'));
    },
  };
}

function refusing(tried: Tried, rule: CardRule): Tried | null {
  return isTesting(tried, rule) ? tried : null;
}

/** `pm_card_…` are Stripe's names for its test cards, which all testers share: each use stands for a card of its own. */
function cardOf({ paymentMethod, donationId }: Attempt): string[] {
  return paymentMethod.startsWith('pm_card_') ? [paymentMethod, donationId] : [paymentMethod];
}
