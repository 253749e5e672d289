import type { RequestHandler } from 'express';
import { Problem } from './problem.ts';

const VERSIONS = new Set(['1.0', '1.1']);

/** RFC 3986, sections 3.2.2 and 3.2.3: a name or an address, with or without a port; it may be empty. */
const HOST = /^(?:\[[\da-f:.]+\]|[\w.~!$&'()*+,;=%-]*)(?::\d{0,5})?$/i;

/** What the parser lets through and RFC 9112, section 3.2, does not: of two hosts, a proxy may have looked at the other. */
export const soundRequest: RequestHandler = (request, response, next) => {
  const [host, ...others] = request.headersDistinct['host'] ?? [];
  const hasHost = host === undefined ? request.httpVersion === '1.0' : HOST.test(host);
  if (!hasHost || others.length > 0 || !VERSIONS.has(request.httpVersion)) {
    response.set('Connection', 'close');
    throw new Problem('malformed_request');
  }
  next();
};
