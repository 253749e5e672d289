import { runServiceWorkers } from './services.ts';

await runServiceWorkers('worker-payments', ['payments']);
