/** One npm script, as docs/reference/commands.md shows it. */
export interface Command {
  readonly script: string;
  /** As it is typed, with its options. */
  readonly usage: string;
  readonly does: string;
}

const run = (script: string, does: string, options = ''): Command => ({
  script,
  usage: `npm run ${script}${options && ` -- ${options}`}`,
  does,
});

/** On a developer's machine. */
export const LOCAL_COMMANDS: readonly Command[] = [
  {
    script: 'start',
    usage: 'npm start -- [--yes] [--faults <plan.json>] [--with-profile-service]',
    does: 'Starts Registrar and every dependency that the environment does not name. `--yes` also migrates a database that it did not create; `--faults` loads a fault plan; `--with-profile-service` also starts the example in `examples/profile-service` and creates a profile for everybody who registers.',
  },
  run('reset', 'Removes the state of `npm start`.'),
  {
    script: 'token',
    usage: 'npm run --silent token -- [--role admin] [--email a@b.c]',
    does: 'Prints an access token of a user in the local pool; creates the user if needed.',
  },
  run(
    'faults',
    "Loads a fault plan into the running sandbox. Takes a path or the plan itself: `'[]'` ends all faults.",
    '<plan.json>',
  ),
];

/** On a deployment. */
export const OPERATING_COMMANDS: readonly Command[] = [
  run('api', 'Runs the API process.'),
  run('worker', 'Runs a worker process.'),
  run(
    'build',
    'Bundles the workflows ahead, as the image does. Otherwise the first start does it, and keeps the result in `node_modules/.cache`.',
  ),
  run('migrate', 'Migrates the database, as the role of `DATABASE_MIGRATION_URL`.'),
  run(
    'setup',
    'Creates what is missing: search attributes, schedules, pool attribute, app client, roles, first administrator. Can be repeated; prints each change before it makes it. `--check` changes nothing, names what is missing or unsafe (exit code 1) and gives advice (exit code 0).',
    '[--check] [--skip-cognito] [--admin a@b.c]',
  ),
  run(
    'status',
    'Prints what needs an operator, one line per group, with the request or command that clears it; then dependencies, outbox and schedules. Needs no token. Exit code 2 when something needs an operator, 1 when the database cannot be read.',
  ),
  {
    script: 'login',
    usage: 'npm run --silent login -- --email a@b.c',
    does: 'Asks for the password without echo and prints an access token. Asks for a new password after a temporary one, and for codes of a second factor. Needs no AWS credentials. From a pipe it reads one answer per line.',
  },
  {
    script: 'request',
    usage: 'npm run --silent request -- POST /registrations/retry status=roles_pending',
    does: 'Sends a request to the API and prints the answer as short lines, with what an operator does about a failure. Uses `API` and `TOKEN` of the environment. `name=text` and `name:=json` are query parameters of a GET, otherwise fields of the body. Exit code 1 when the answer is a problem.',
  },
  run('sweep', 'Runs the scheduled sweep once, now.', '[--dry-run]'),
  run(
    'compare-pool',
    'Runs the scheduled comparison of ledger and pool once, now. `--dry-run` writes nothing. Exit code 0 when they agree, 2 when they differ, 1 when the comparison failed.',
    '[--dry-run]',
  ),
  run(
    'redeliver',
    'Makes events due again that were given up; with `--since` also those that a destination never received. `--now` instead makes waiting deliveries due at once, invitations (`cognito-mail`) included, except a mail that may have been sent.',
    '[--now] [--destination webhook] [--since 2026-01-31] [--dry-run]',
  ),
  run(
    'erase',
    'Erases the personal data of every failed or cancelled registration of an address, for somebody who never completed one, and prints their ids. Refuses while the address has an open registration or a registered person, and names the request that comes first (exit code 1).',
    '--email a@b.c [--dry-run]',
  ),
  run(
    'verify-audit',
    'Verifies the audit trail against its checkpoints. Prints one line per mismatch, with batch and event (exit code 1). `--head` verifies that the chain still contains that checkpoint (exit code 2 if not).',
    '[--head <digest>]',
  ),
  run(
    'verify-replay',
    'Replays the latest runs of a live Temporal with the workflow code of this version, before a roll-out. Prints one line per run that fails.',
    '--last 100',
  ),
];

/** On Registrar itself. */
export const DEVELOPING_COMMANDS: readonly Command[] = [
  { script: 'test', usage: 'npm test', does: 'Runs every test, with dependencies of its own.' },
  run('check', 'Checks format, lint rules, unused code and types.'),
  run('verify', 'Runs `npm run check`, then `npm test`.'),
  run('format', 'Formats the source files.'),
  run('lint', 'Runs oxlint with type information, and knip.'),
  run('typecheck', 'Checks the types; the workflows are checked without the types of Node.'),
  run('db:generate', 'Generates the migration from `src/db/schema.ts`.'),
  run(
    'bench',
    "Measures Registrar beside the saga of Temporal's samples, an empty workflow and no engine, on a Temporal server over PostgreSQL and on the dev server: times, CPU, writes. See docs/performance.md. Exit code 1 when a count of the happy path has grown.",
    '[--quick] [--rounds 3] [--engine server] [--only registrar,saga] [--aged] [--memory] [--start-up] [--write]',
  ),
  run(
    'campaign',
    'Registers people while a seed decides what fails: Cognito, lost and late replies, operators, signals, processes, connections. Afterwards pool, ledger, events and audit trail must agree. Each finding comes with the command that repeats it. Exit code 0 without findings, 2 with findings, 1 when the campaign failed. About two minutes per seed.',
    '[--seeds 1,2,3,4,5] [--registrations 60] [--at-once 2] [--verbose]',
  ),
  run(
    'soak-events',
    'Registers 2,000 people while RabbitMQ is away for half a minute, and checks that each event arrives. Takes minutes.',
  ),
  run(
    'soak-profiles',
    'Registers 500 people while the RabbitMQ of the profile service is away for half a minute, and checks that each has one profile. Takes minutes.',
  ),
  run(
    'rehearse',
    'Runs docker-compose.yml as processes of this machine, with a real Temporal server: 500 people register while a worker is killed every 10 s.',
  ),
  run(
    'fuzz',
    'Runs Schemathesis on the OpenAPI document, against a Registrar of its own. Needs Python 3.11.',
    '[--seed 7]',
  ),
  run(
    'screenshots',
    'Takes the pictures in `docs/images` of real runs: in the Temporal UI, in the console and in the example front end. Needs Chromium (`CHROMIUM`, or on the PATH).',
    '[temporal|console|example]',
  ),
];

export const COMMANDS = [...LOCAL_COMMANDS, ...OPERATING_COMMANDS, ...DEVELOPING_COMMANDS];
