/** vitest's globalSetup: what these tests need and the machine does not have is said at once, with the way to get it. */
import { findNginx } from '../harness/nginx.ts';

export function setup(): void {
  if (findNginx() === undefined) {
    throw new Error(
      'npm run test:ops needs Nginx 1.22 or later: `apt-get install nginx` or `brew install nginx`. It is only executed; it need not run.',
    );
  }
}
