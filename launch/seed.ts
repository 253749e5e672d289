import { z } from 'zod';

const page = z.object({
  data: z.array(z.object({ id: z.string(), currency: z.string(), status: z.string() })),
});

type Campaign = z.infer<typeof page>['data'][number];

const CAMPAIGNS = [
  {
    title: 'Clean water for Rangpur',
    slug: 'clean-water-for-rangpur',
    description: 'Twelve deep wells and a year of upkeep for four villages.',
    story:
      'The old tubewells of these villages reach water with arsenic in it. Wells of 250 metres do not. A local team drills them, tests the water every season, and teaches two people in each village to mend a pump.',
    currency: 'USD',
    goal: 2_500_000,
  },
  {
    title: 'Winter blankets',
    slug: 'winter-blankets',
    description: 'A blanket and a hot meal for everyone who sleeps outside this winter.',
    story:
      'From December to February a van goes round every night. It carries blankets, soup and a nurse. What is left in spring pays for the washing of every blanket that comes back.',
    currency: 'EUR',
    goal: 500_000,
  },
  {
    title: 'School on a boat',
    slug: 'school-on-a-boat',
    description: 'A floating classroom for children whom the floods cut off.',
    story:
      'For four months a year the road to school is under water. The boat picks the children up at their doors, moors, and is their classroom: thirty seats, a library, and lamps that the roof has charged.',
    currency: 'JPY',
    goal: 3_000_000,
  },
] as const;

/** Creates the example campaigns when there is none yet; returns an open campaign to try. Safe to run again. */
export async function seedCampaigns(
  apiUrl: string,
  accessToken: () => Promise<string>,
): Promise<{ created: number; open: Campaign | undefined }> {
  const existing = await listCampaigns(apiUrl);
  if (existing.length > 0) return { created: 0, open: existing.find(({ status }) => status === 'open') };
  const authorization = `Bearer ${await accessToken()}`;
  for (const [index, campaign] of CAMPAIGNS.entries()) {
    const response = await fetch(`${apiUrl}/campaigns`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        authorization,
        'idempotency-key': `example-campaign-${index + 1}`,
      },
      body: JSON.stringify({ ...campaign, status: 'open' }),
      signal: AbortSignal.timeout(10_000),
    });
    if (!response.ok)
      throw new Error(
        `the example campaign "${campaign.title}" was refused: ${response.status} ${await response.text()}`,
      );
  }
  const created = await listCampaigns(apiUrl);
  return {
    created: CAMPAIGNS.length,
    open: created.find(({ currency }) => currency === 'USD') ?? created[0],
  };
}

async function listCampaigns(apiUrl: string): Promise<Campaign[]> {
  const response = await fetch(`${apiUrl}/campaigns`, { signal: AbortSignal.timeout(10_000) });
  if (!response.ok) throw new Error(`GET /campaigns answered ${response.status}: ${await response.text()}`);
  return page.parse(await response.json()).data;
}
