/** Who may do what, for every operation of the API description: the one table that the access matrix is made from. */
import type { Role } from '../../../domain/actor.ts';
import type { FailureCode } from '../../../domain/failures.ts';

/** What the address names, seen from who asks. `none`: the operation is about nothing in particular. */
export type Relation = 'own' | 'foreign' | 'unknown' | 'malformed' | 'none';

export type Who = {
  /** null without an access token that counts. */
  readonly role: Role | null;
  readonly shows: 'nothing' | 'access token' | 'expired token' | 'donor token';
};

/** What is answered; null when it is done. */
export type Policy = (who: Who, what: Relation) => FailureCode | null;

/** Things that addresses name; `owners` tell which people have one. */
export type Kind =
  | 'nothing'
  | 'donation'
  | 'ended donation'
  | 'paid donation'
  | 'refund'
  | 'campaign'
  | 'draft'
  | 'account'
  | 'signature'
  | 'docs file'
  | 'problem';

const isThere = (what: Relation): boolean => what !== 'unknown' && what !== 'malformed';
const wrongToken = ({ role, shows }: Who): boolean => role === null && shows !== 'nothing';

/** No token is looked at. */
const everybody =
  (missing: FailureCode = 'not_found'): Policy =>
  (_who, what) =>
    isThere(what) ? null : missing;

/** A token is not asked for, but a wrong one is never taken for none. */
const anybody =
  (missing: FailureCode = 'not_found'): Policy =>
  (who, what) => {
    if (wrongToken(who)) return 'unauthorized';
    return isThere(what) ? null : missing;
  };

const signedIn =
  (...roles: readonly Role[]): Policy =>
  ({ role }) => {
    if (role === null) return 'unauthorized';
    return roles.length > 0 && !roles.includes(role) ? 'forbidden' : null;
  };

/** To anybody else the donation does not exist. */
const donorOrOperator: Policy = ({ role, shows }, what) => {
  if (what === 'malformed') return 'not_found';
  if (shows === 'expired token') return 'unauthorized';
  return isThere(what) && (what === 'own' || role === 'operator') ? null : 'not_found';
};

/** Staff alone; `foreign`: what another organizer is told of what there is. */
const ownerOrOperator =
  (foreign: FailureCode, missing: FailureCode): Policy =>
  (who, what) => {
    const refused = signedIn('organizer', 'operator')(who, what);
    if (refused !== null) return refused;
    if (!isThere(what)) return missing;
    return what === 'own' || who.role === 'operator' ? null : foreign;
  };

const unpublished: Policy = (who, what) => {
  if (wrongToken(who)) return 'unauthorized';
  return isThere(what) && (what === 'own' || who.role === 'operator') ? null : 'campaign_not_found';
};

const operator =
  (missing: FailureCode = 'not_found'): Policy =>
  (who, what) =>
    signedIn('operator')(who, what) ?? (isThere(what) ? null : missing);

/** `own`: signed with the secret; `foreign`: with another one; `unknown`: not at all. */
const signed: Policy = (_who, what) => (what === 'own' ? null : 'invalid_signature');

type Row = Partial<Readonly<Record<Kind, Policy>>>;

/** By `operationId`. */
export const ACCESS: Readonly<Record<string, Row>> = {
  donate: { nothing: anybody() },
  readDonation: { donation: donorOrOperator },
  cancelDonation: { donation: donorOrOperator },
  followDonation: { 'ended donation': donorOrOperator },
  listOwnDonations: { nothing: signedIn() },

  listCampaigns: { nothing: anybody() },
  createCampaign: { nothing: signedIn('organizer', 'operator') },
  readCampaign: { campaign: anybody('campaign_not_found'), draft: unpublished },
  editCampaign: {
    campaign: ownerOrOperator('forbidden', 'campaign_not_found'),
    draft: ownerOrOperator('campaign_not_found', 'campaign_not_found'),
  },
  publishCampaign: {
    campaign: ownerOrOperator('forbidden', 'campaign_not_found'),
    draft: ownerOrOperator('campaign_not_found', 'campaign_not_found'),
  },
  closeCampaign: {
    campaign: ownerOrOperator('forbidden', 'campaign_not_found'),
    draft: ownerOrOperator('campaign_not_found', 'campaign_not_found'),
  },
  // What was never published has raised nothing, whoever asks.
  readTotals: { campaign: everybody('campaign_not_found'), draft: () => 'campaign_not_found' },

  refundDonation: { 'paid donation': ownerOrOperator('not_found', 'not_found') },
  listRefunds: { 'paid donation': ownerOrOperator('not_found', 'not_found') },
  readRefund: { refund: ownerOrOperator('not_found', 'not_found') },
  readReconciliation: { nothing: operator() },
  listReviews: { nothing: operator() },
  receiveStripeEvent: { signature: signed },

  register: { nothing: everybody() },
  login: { nothing: everybody() },
  refresh: { nothing: everybody() },
  logout: { nothing: everybody() },
  changePassword: { nothing: signedIn() },
  readOwnAccount: { nothing: signedIn() },
  readKeys: { nothing: everybody() },
  findUsers: { nothing: operator() },
  setRole: { account: operator() },

  readDescription: { nothing: everybody() },
  readDocs: { nothing: everybody() },
  readDocsFile: { 'docs file': everybody() },
  readProblem: { problem: everybody() },
  livez: { nothing: everybody() },
  readyz: { nothing: everybody() },
};
