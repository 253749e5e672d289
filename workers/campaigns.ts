import { runServiceWorkers } from './services.ts';

await runServiceWorkers('worker-campaigns', ['campaigns']);
