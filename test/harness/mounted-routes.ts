/** The routes that an Express application really answers, read from its router. */
import type { Express } from 'express';

export type MountedRoute = {
  /** With its parameters as OpenAPI writes them. */
  readonly path: string;
  /** Upper case; empty for the route that answers all other methods. */
  readonly methods: readonly string[];
};

type Layer = {
  readonly route?: { readonly path: unknown; readonly methods: Readonly<Record<string, boolean>> };
  readonly handle?: { readonly stack?: readonly Layer[] };
};

export function mountedRoutes(app: Express): MountedRoute[] {
  return walk((app.router as unknown as { readonly stack: readonly Layer[] }).stack);
}

function walk(stack: readonly Layer[]): MountedRoute[] {
  return stack.flatMap(({ route, handle }) => {
    if (route === undefined) return walk(handle?.stack ?? []);
    const paths: unknown[] = Array.isArray(route.path) ? route.path : [route.path];
    const methods = Object.keys(route.methods);
    // `router.all` is one pseudo-method, `app.all` each that Node knows.
    const others = methods.includes('_all') || methods.length > 10;
    return paths.map((path) => ({
      path: String(path).replaceAll(/:(\w+)/g, '{$1}'),
      methods: others ? [] : methods.map((method) => method.toUpperCase()),
    }));
  });
}
