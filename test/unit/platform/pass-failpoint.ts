import { createFailpoint } from '../../../platform/failpoint.ts';

createFailpoint(process.argv[2])('accept.stored');
process.send?.('still alive');
process.disconnect();
