/** Every service's description, for whoever runs or describes the whole platform. */
import { authOperations } from './auth/operations.ts';
import { campaignsOperations } from './campaigns/operations.ts';
import { donationsOperations } from './donations/operations.ts';
import type { ServiceDescription } from './http/openapi/service.ts';
import { paymentsOperations } from './payments/operations.ts';

export const SERVICES: readonly ServiceDescription[] = [
  donationsOperations,
  campaignsOperations,
  paymentsOperations,
  authOperations,
];
