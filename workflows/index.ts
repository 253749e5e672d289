/** The registration file: every workflow type that workers know. */
export { aftercare } from './aftercare.ts';
export { donation } from './donation.ts';
export { reconciliation } from './reconciliation.ts';
