/** The same audit as `npm run careforall -- audit`, over the run's platform; nothing is excused for being young. */
import { audit } from '../../cli/audit/audit.ts';
import { openDatabases } from '../../cli/audit/load/databases.ts';
import { temporalWorkflows } from '../../cli/audit/load/workflows.ts';
import type { Report } from '../../cli/audit/report.ts';
import { DEFAULT_OPTIONS } from '../../cli/audit/sources.ts';
import { taskQueues } from '../../platform/temporal.ts';
import { createStripeProvider } from '../../provider/stripe/adapter.ts';
import type { Stage } from './stage.ts';

const PROVIDER_LIMIT_MS = 10_000;

export async function auditStage({ addresses, temporal }: Stage): Promise<Report> {
  const databases = openDatabases(addresses.databaseUrls);
  try {
    return await audit(
      {
        databases,
        provider: createStripeProvider({
          apiBase: addresses.stripeApiBase,
          secretKey: addresses.stripeSecretKey,
          timeoutMs: PROVIDER_LIMIT_MS,
        }),
        workflows: temporalWorkflows(temporal, taskQueues(addresses.namePrefix).donations),
        broker: addresses.rabbitmqUrl !== undefined,
      },
      { ...DEFAULT_OPTIONS, settleMs: 0, pauseMs: 500 },
    );
  } finally {
    await databases.close();
  }
}
