/** Accounts as a process of its own. */
import { runApi } from '../process.ts';
import { AUTH_NEEDS, openAuth } from './service.ts';

await runApi('auth-api', AUTH_NEEDS, async (it) => [(await openAuth(it)).router]);
