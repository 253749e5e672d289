/**
 * Dependencies point one way: `domain ← workflows ← (ports) activities`, `domain ← everything`, and a service never
 * touches another's code or Prisma client. test/probes/boundaries.test.ts proves that each rule fires.
 */
const SERVICE = 'auth|campaigns|donations|notifications|payments';
const SERVICE_FOLDER = `^(?:api|activities)/(${SERVICE})(?:/|[.]ts$)`;
const ROOTS = [
  '^(?:api|cli|provider/simulator)/main[.]ts$',
  '^api/(?:auth|campaigns|donations|payments)/main[.]ts$',
  '^test/bench/(?:bench|bare-server|echo-server|noop-worker)[.]ts$',
  '^workers/(?:all-in-one|background|bundle|campaigns|donations|payments)[.]ts$',
  '^prisma/(?:generate|migrate)[.]ts$',
  '^launch/(?:start|test|reset|demo|tool|soak|bench|verify|folder-graph|api-document)[.](?:ts|mjs)$',
];

/** @param {string} name an npm package */
const npm = (name) => `(?:^|/)node_modules/${name}/`;
const OTEL_INTERCEPTORS = `${npm('@temporalio/interceptors-opentelemetry')}lib/workflow`;

/**
 * Of our own folders, only the named ones.
 * @param {string} name
 * @param {string} path
 * @param {string[]} allowed
 * @param {string} comment
 */
const usesOnly = (name, path, allowed, comment) => ({
  name,
  severity: 'error',
  comment,
  from: { path },
  to: { dependencyTypes: ['local'], pathNot: allowed },
});

/** @type {import('dependency-cruiser').IConfiguration} */
export default {
  forbidden: [
    {
      name: 'domain-imports-only-domain',
      severity: 'error',
      comment: 'domain/ is pure: it runs unchanged in services, in the workflow sandbox and in tests.',
      from: { path: '^domain/' },
      to: { pathNot: '^domain/' },
    },
    {
      name: 'workflows-import-only-domain-and-temporal',
      severity: 'error',
      comment: 'What workflows/ imports is bundled into the sandbox and must be deterministic.',
      from: { path: '^workflows/' },
      to: {
        pathNot: [
          '^(?:domain|workflows)/',
          npm('@temporalio/workflow'),
          npm('@temporalio/common'),
          OTEL_INTERCEPTORS,
        ],
      },
    },
    {
      name: 'workflows-take-only-types-of-common',
      severity: 'error',
      comment: '@temporalio/workflow re-exports every value a workflow needs.',
      from: { path: '^workflows/' },
      to: { path: npm('@temporalio/common'), dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'workflow-interceptors-are-registered-in-one-file',
      severity: 'error',
      comment: 'Tracing is added where workflows are registered; no workflow knows of it.',
      from: { path: '^workflows/', pathNot: '^workflows/(?:index|interceptors)[.]ts$' },
      to: { path: OTEL_INTERCEPTORS },
    },
    usesOnly(
      'activities-use-ports-and-platform',
      '^activities/',
      ['^(?:activities|domain|events|platform|prisma)/', '^provider/port[.]ts$', '^workflows/ports[.]ts$'],
      'Activities implement workflows/ports.ts and reach the provider through provider/port.ts.',
    ),
    {
      name: 'activities-take-only-types-of-ports',
      severity: 'error',
      comment: 'Nothing of workflows/ runs outside the sandbox.',
      from: { path: '^activities/' },
      to: { path: '^workflows/', dependencyTypesNot: ['type-only'] },
    },
    usesOnly(
      'api-uses-names-of-workflows',
      '^api/',
      [
        '^(?:api|domain|events|platform|prisma)/',
        '^provider/(?:port[.]ts$|stripe/)',
        '^workflows/(?:index|messages|ports)[.]ts$',
        '^activities/payments/book/',
      ],
      'The API starts and signals workflows by name; activities and workflow code run in workers. Only a payment’s book is kept by both, under one lock.',
    ),
    {
      name: 'api-takes-only-types-of-workflows',
      severity: 'error',
      comment: 'workflows/index.ts is there for `typeof donation`; its code belongs to the sandbox.',
      from: { path: '^api/' },
      to: { path: '^workflows/index[.]ts$', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'services-stay-apart',
      severity: 'error',
      comment: 'A service talks to another through events, activities of a workflow or HTTP.',
      from: { path: SERVICE_FOLDER },
      to: { path: SERVICE_FOLDER, pathNot: '^(?:api|activities)/$1(?:/|[.]ts$)' },
    },
    {
      name: 'shared-api-code-knows-no-service',
      severity: 'error',
      comment: 'api/http/ is used by every service.',
      from: { path: '^api/http/' },
      to: { path: SERVICE_FOLDER },
    },
    {
      name: 'prisma-client-belongs-to-its-service',
      severity: 'error',
      comment: 'One service, one database.',
      from: { path: `^(?:api|activities|prisma)/(${SERVICE})(?:/|[.]ts$)` },
      to: { path: `^prisma/(?:${SERVICE})/`, pathNot: '^prisma/$1/' },
    },
    {
      name: 'prisma-client-is-reached-through-its-service',
      severity: 'error',
      comment: 'Shared code works on a pool that it is given.',
      from: {
        path: '^(?:api|activities|cli|domain|events|launch|platform|provider|workflows)/',
        pathNot: [SERVICE_FOLDER, '^api/main[.]ts$'],
      },
      to: { path: `^prisma/(?:${SERVICE})/` },
    },
    usesOnly(
      'simulator-is-an-independent-witness',
      '^provider/simulator/',
      ['^provider/simulator/'],
      'Code shared with the system under test would share its mistakes.',
    ),
    {
      name: 'simulator-is-spawned-not-imported',
      severity: 'error',
      comment: 'The provider is another process, spoken to over HTTP. Tests may look inside.',
      from: { pathNot: '^(?:provider/simulator|test)/' },
      to: { path: '^provider/simulator/' },
    },
    usesOnly(
      'stripe-adapter-knows-port-and-domain',
      '^provider/stripe/',
      ['^provider/(?:stripe/|port[.]ts$)', '^domain/'],
      'An adapter has no other knowledge of us.',
    ),
    usesOnly(
      'provider-port-knows-domain',
      '^provider/port(?:/|[.]ts$)',
      ['^domain/'],
      'A port names no adapter.',
    ),
    usesOnly(
      'events-know-domain-and-platform',
      '^events/',
      ['^(?:domain|events|platform)/'],
      'Contracts, outbox and inbox serve every service.',
    ),
    usesOnly(
      'platform-knows-only-domain',
      '^platform/',
      ['^(?:domain|platform)/'],
      'platform/ knows nothing of donations, only of the machinery they need.',
    ),
    {
      name: 'only-tests-import-tests',
      severity: 'error',
      comment: 'Nothing that runs in production depends on a test.',
      from: { pathNot: '^test/' },
      to: { path: '^test/' },
    },
    {
      name: 'nobody-imports-composition-roots',
      severity: 'error',
      comment: 'A composition root reads the configuration and starts a process as soon as it is loaded.',
      from: {},
      to: { path: ROOTS },
    },
    {
      name: 'workers-are-reached-by-workers-only',
      severity: 'error',
      comment: 'workers/ wires everything together; what it wires must not know it.',
      from: { pathNot: '^(?:test|workers)/' },
      to: { path: '^workers/' },
    },
    {
      name: 'launch-is-reached-by-tools-only',
      severity: 'error',
      comment: 'launch/ prepares a machine; the services run without it.',
      from: { pathNot: '^(?:cli|launch|test)/' },
      to: { path: '^launch/' },
    },
    {
      name: 'no-cycles',
      severity: 'error',
      comment: 'A cycle has no bottom to start reading from.',
      from: {},
      to: { circular: true },
    },
    {
      name: 'no-unresolvable',
      severity: 'error',
      comment: 'The imported module does not exist.',
      from: {},
      to: { couldNotResolve: true },
    },
    {
      name: 'no-undeclared-packages',
      severity: 'error',
      comment: 'What is imported is in package.json, not there by another package’s grace.',
      from: {},
      to: { dependencyTypes: ['npm-no-pkg', 'npm-unknown'] },
    },
    {
      name: 'production-needs-no-dev-package',
      severity: 'error',
      comment: 'Images are installed without devDependencies.',
      from: { path: '^(?:activities|api|cli|domain|events|platform|provider|workers|workflows)/' },
      to: { dependencyTypes: ['npm-dev'], dependencyTypesNot: ['type-only'] },
    },
  ],
  options: {
    // Prisma's generated clients import themselves in circles: they are leaves here.
    doNotFollow: { path: ['node_modules', '/generated/'] },
    exclude: { path: ['(?:^|/)[.]careforall/', '(?:^|/)coverage/'] },
    parser: 'tsc',
    tsPreCompilationDeps: true,
    detectProcessBuiltinModuleCalls: true,
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
      extensions: ['.ts', '.mjs', '.js', '.cjs', '.d.ts', '.json'],
      mainFields: ['main', 'types'],
    },
  },
};
