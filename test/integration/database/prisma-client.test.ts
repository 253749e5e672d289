import { PrismaPg } from '@prisma/adapter-pg';
import { expect, test } from 'vitest';
import { createPool } from '../../../platform/postgres.ts';
import { PrismaClient as CampaignsClient } from '../../../prisma/campaigns/generated/client.ts';
import { PrismaClient as DonationsClient } from '../../../prisma/donations/generated/client.ts';
import { isolatedDatabases } from './isolated-databases.ts';

const { urls } = isolatedDatabases(['campaigns', 'donations']);

test('the generated client writes and reads through a pool of ours', async () => {
  const pool = createPool({ url: urls.campaigns, max: 2, name: 'test' });
  const prisma = new CampaignsClient({ adapter: new PrismaPg(pool) });
  try {
    const { id } = await prisma.campaign.create({
      data: {
        id: crypto.randomUUID(),
        title: 'Wells',
        currency: 'USD',
        goal: 9007199254740991n,
        createdBy: 'organiser',
        totals: { create: {} },
      },
    });
    expect(
      await prisma.campaign.findUniqueOrThrow({ where: { id }, include: { totals: true } }),
    ).toMatchObject({
      goal: 9007199254740991n,
      status: 'draft',
      version: 1,
      totals: { totalCaptured: 0n, version: 0 },
    });
    // The refusal names its rule, also through Prisma.
    await expect(prisma.campaign.update({ where: { id }, data: { status: 'open' } })).rejects.toThrow(
      /version grows with every change/,
    );
  } finally {
    await prisma.$disconnect();
    await pool.end();
  }
});

test('a relation of the donations client is followed from the request to its pledge', async () => {
  const pool = createPool({ url: urls.donations, max: 2, name: 'test' });
  const prisma = new DonationsClient({ adapter: new PrismaPg(pool) });
  try {
    const money = {
      campaignId: crypto.randomUUID(),
      amount: 2500n,
      currency: 'USD',
      idempotencyKey: 'key-of-sixteen-c',
    };
    const request = await prisma.donationRequest.create({
      data: {
        ...money,
        id: crypto.randomUUID(),
        scope: 'guest',
        fingerprint: new Uint8Array(32),
        paymentMethod: 'pm_card_visa',
        body: { amount: 2500 },
        pledge: { create: money },
      },
      include: { pledge: true },
    });
    expect(request.pledge).toMatchObject({ id: request.id, amount: 2500n, status: 'INITIATED', version: 0 });
  } finally {
    await prisma.$disconnect();
    await pool.end();
  }
});
