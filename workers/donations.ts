import { runServiceWorkers } from './services.ts';

await runServiceWorkers('worker-donations', ['donations']);
