/** What the API description shows as examples. */
import type { z } from 'zod';
import type { campaignAnswer, campaignSummaryAnswer, totalsAnswer } from './answers.ts';

export const summary: z.infer<typeof campaignSummaryAnswer> = {
  id: '7c9e6679-7425-40de-944b-e07fc1f90ae7',
  slug: 'clean-water-for-rangpur',
  title: 'Clean water for Rangpur',
  description: 'Twelve wells.',
  coverUrl: 'https://images.example.org/well.jpg',
  currency: 'USD',
  goal: 5_000_000,
  deadline: '2027-12-31T17:59:59.000Z',
  status: 'open',
  version: 1,
  createdAt: '2027-01-31T12:00:00.000Z',
  publishedAt: '2027-01-31T12:00:00.000Z',
  closedAt: null,
};

export const campaign: z.infer<typeof campaignAnswer> = { ...summary, story: 'It began with a dry summer.' };

export const totals: z.infer<typeof totalsAnswer> = {
  campaignId: summary.id,
  currency: 'USD',
  raised: 240_000,
  totalPledged: 250_000,
  totalCaptured: 245_000,
  totalRefunded: 5_000,
  donationCount: 98,
  goal: 5_000_000,
  version: 201,
  asOf: '2027-01-31T12:00:00.000Z',
};
