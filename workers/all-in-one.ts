/** The workers of one machine: one process reaches every database, so sagas run as local activities. */
import { runServiceWorkers } from './services.ts';

await runServiceWorkers('worker', ['donations', 'payments', 'campaigns']);
