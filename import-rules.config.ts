// The import rule of docs/architecture.md. `npm run lint` checks it; each rule says why it is there.

/** From top to bottom. A file imports from lower layers or from its own folder. */
export interface Layer {
  readonly name: string;
  /** Regular expressions of paths, by the name that the picture shows. */
  readonly folders: Readonly<Record<string, string>>;
}

export const LAYERS: readonly Layer[] = [
  {
    name: 'processes',
    folders: {
      'src/main, src/api': '^src/(main|api)\\.ts$',
      'worker/main': '^worker/main\\.ts$',
      cli: '^cli/',
      dev: '^dev/',
    },
  },
  {
    name: 'composition root',
    folders: { 'src/wiring': '^src/wiring\\.ts$', 'src/run-main': '^src/run-main\\.ts$' },
  },
  {
    name: 'HTTP, activities, worker, workflows',
    folders: {
      'src/http': '^src/http/',
      activities: '^activities/(?!contract\\.ts$)',
      worker: '^worker/(?!main\\.ts$)',
      workflows: '^workflows/(?!messages\\.ts$)',
    },
  },
  {
    name: 'adapters',
    folders: {
      'src/ledger': '^src/ledger/',
      'src/cognito': '^src/cognito/',
      'src/temporal': '^src/temporal/',
      'src/telemetry': '^src/telemetry/',
      'src/config': '^src/config/',
    },
  },
  {
    name: 'database and secrets',
    folders: { 'src/db': '^src/db/', 'src/secrets': '^src/secrets/' },
  },
  {
    name: 'contracts',
    folders: {
      'activities/contract': '^activities/contract\\.ts$',
      'workflows/messages': '^workflows/messages\\.ts$',
    },
  },
  { name: 'domain', folders: { 'src/domain': '^src/domain/' } },
];

const layerRules = LAYERS.flatMap(({ folders }, index) => {
  const above = LAYERS.slice(0, index).flatMap((layer) => Object.values(layer.folders));
  return Object.entries(folders).map(([name, folder]) => ({
    name: `layer ${index + 1}: ${name}`,
    comment:
      'Arrows point downwards only: a part can be understood and tested without what uses it.',
    severity: 'error',
    from: { path: folder },
    to: {
      // Processes share files of their layer, so that `npm start` can run what a command runs.
      path: [
        ...above,
        ...(index === 0 ? [] : Object.values(folders).filter((other) => other !== folder)),
        '^test/',
      ],
    },
  }));
});

/** A package that only the named places may import. */
function only(packages: string[], places: string[], comment: string) {
  return {
    name: `package: ${packages.join(', ')}`,
    comment,
    severity: 'error',
    from: { path: '^(src|activities|workflows|worker|cli|dev)/', pathNot: places },
    to: { path: packages.map((name) => `node_modules/${name.endsWith('/') ? name : `${name}/`}`) },
  };
}

export default {
  forbidden: [
    {
      name: 'no circles',
      comment: 'Merge files that import each other, or move what they share to a third file.',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    ...layerRules,
    {
      name: 'production does not need dev',
      comment: 'The image has no dev folder: a command that imports from it would not start there.',
      severity: 'error',
      from: { path: '^(src|activities|workflows|worker|cli)/' },
      to: { path: '^dev/' },
    },
    {
      name: 'workflows are deterministic',
      comment:
        'Temporal replays workflow code: it sees the domain, the contracts and the workflow SDK only.',
      severity: 'error',
      from: { path: '^workflows/' },
      to: {
        pathNot: [
          '^workflows/',
          '^activities/contract\\.ts$',
          '^src/domain/',
          'node_modules/@temporalio/(workflow|common)/',
        ],
      },
    },
    {
      name: 'workflows see the types of activities only',
      comment: 'An activity that runs inside the workflow sandbox would break replay.',
      severity: 'error',
      from: { path: '^workflows/' },
      to: { path: '^activities/', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'the domain is pure',
      comment: 'Workflows run it: no clock, no network, no package.',
      severity: 'error',
      from: { path: '^src/domain/' },
      to: { pathNot: '^src/domain/' },
    },
    {
      name: 'handlers reach Cognito through ports',
      comment: 'A handler that calls AWS could change a user without the saga.',
      severity: 'error',
      from: { path: '^src/http/' },
      to: { path: '^src/(cognito|temporal)/', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'activities do not read configuration',
      comment: 'They get values as arguments, so that a test can pass its own.',
      severity: 'error',
      from: { path: '^activities/' },
      to: { path: '^src/config/', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'queries live in the ledger',
      comment:
        'Handlers and activities call the ledger and may read `database-state`; they only pass the connection on.',
      severity: 'error',
      from: { path: '^(src/http|activities)/' },
      to: { path: '^src/db/(?!database-state)', dependencyTypesNot: ['type-only'] },
    },
    only(
      ['@aws-sdk'],
      ['^src/cognito/', '^src/wiring\\.ts$', '^cli/setup/', '^dev/'],
      'Calls to AWS go through the adapter, which classifies errors and bounds time.',
    ),
    only(
      ['@temporalio/client'],
      ['^src/temporal/', '^src/wiring\\.ts$', '^worker/', '^cli/', '^dev/'],
      'Runs are started and signalled through src/temporal.',
    ),
    only(
      ['@temporalio/worker'],
      ['^src/wiring\\.ts$', '^worker/', '^cli/'],
      'Only processes that need it load its native part.',
    ),
    {
      name: 'npm run status starts at once',
      comment: 'It answers in under a second: these packages alone take a third of it to load.',
      severity: 'error',
      from: { path: '^cli/status\\.ts$' },
      to: { path: 'node_modules/(@temporalio/worker|@aws-sdk|zod)/', reachable: true },
    },
    only(
      ['@temporalio/activity'],
      ['^activities/'],
      'The context of an activity exists in activities only.',
    ),
    only(['@temporalio/envconfig'], ['^src/config/'], 'Settings are read in one place.'),
    only(
      ['drizzle-orm'],
      ['^src/ledger/', '^src/db/'],
      'SQL is written in the ledger and in src/db.',
    ),
    only(
      ['postgres'],
      ['^src/db/', '^dev/stack/'],
      'The driver is opened in one place, behind its guard.',
    ),
    only(['hono', '@hono', 'swagger-ui-dist'], ['^src/http/'], 'HTTP stays in the API.'),
    only(
      ['zod'],
      ['^src/http/', '^dev/', '^cli/answer-lines\\.ts$'],
      'Schemas are checked where input enters.',
    ),
    only(
      ['@opentelemetry', '@temporalio/interceptors-opentelemetry'],
      ['^src/telemetry/tracing\\.ts$'],
      'The SDK of tracing is loaded in one place, where an exporter is configured.',
    ),
    only(['prom-client'], ['^src/telemetry/'], 'Metrics are registered in one place.'),
    only(
      ['pino'],
      ['^src/telemetry/log\\.ts$', '^src/(wiring|api)\\.ts$', '^cli/', '^dev/'],
      'Every log line goes through one redaction.',
    ),
    only(
      ['amqplib', 'undici', 'standardwebhooks'],
      ['^activities/relay/'],
      'Events and requests to the profile service leave through one folder.',
    ),
    only(
      ['aws-jwt-verify', 'rate-limiter-flexible'],
      ['^src/http/access/'],
      'Access is decided in one folder.',
    ),
    only(
      ['@zxcvbn-ts/'],
      ['^src/secrets/common-passwords\\.ts$'],
      'The domain gets the list of common passwords as a value.',
    ),
    only(
      ['ipaddr.js'],
      [
        '^src/http/access/',
        '^src/config/local-hosts\\.ts$',
        '^activities/relay/public-address\\.ts$',
      ],
      'Addresses are parsed by one library, never by hand.',
    ),
    {
      name: 'every import can be resolved',
      comment: 'An import that resolves to nothing would escape every other rule.',
      severity: 'error',
      from: { path: '^(src|activities|workflows|worker|cli|dev)/' },
      to: { couldNotResolve: true },
    },
  ],
  options: {
    parser: 'swc',
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
      extensions: ['.ts', '.mjs', '.js', '.json'],
    },
    doNotFollow: { path: 'node_modules' },
  },
};
