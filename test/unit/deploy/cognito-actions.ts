import { importsOf, type SourceFile, sourcesOf } from '../architecture/source.ts';

/** Authorised by a token, a password or a client of the pool: IAM is not asked for these. */
const BY_TOKEN = new Set([
  'AssociateSoftwareToken',
  'ChangePassword',
  'ConfirmForgotPassword',
  'ForgotPassword',
  'GetTokensFromRefreshToken',
  'GetUser',
  'GetUserAttributeVerificationCode',
  'GlobalSignOut',
  'InitiateAuth',
  'RespondToAuthChallenge',
  'RevokeToken',
  'UpdateUserAttributes',
  'VerifySoftwareToken',
  'VerifyUserAttribute',
]);
/** The adapter, whose methods are called through `provider`. */
const ADAPTERS = ['src/cognito/adapter.ts', 'src/cognito/accounts.ts', 'src/cognito/roles.ts'];

/** Operations that a text sends: `new AdminGetUserCommand(`, `paginateListGroups(`. */
export function operationsIn(text: string): string[] {
  const sent = text.matchAll(/\bnew ([A-Z]\w+)Command\(|\bpaginate([A-Z]\w+)\(/g);
  return [...sent].map(([, command, paginated]) => command ?? paginated ?? '');
}

/** What each method of the adapter sends. */
export function operationsByMethod(adapter: string): Map<string, string[]> {
  const parts = adapter.split(/^ {4}(\w+): (?:async )?\(/m).slice(1);
  const methods = new Map<string, string[]>();
  for (let index = 0; index < parts.length; index += 2) {
    methods.set(parts[index] ?? '', operationsIn(parts[index + 1] ?? ''));
  }
  return methods;
}

/** Methods of the adapter that a file calls, or has its caller hand to it. */
function methodsIn({ path, text }: SourceFile): string[] {
  if (ADAPTERS.includes(path)) return [];
  const called = [...text.matchAll(/\bprovider\s*\.\s*(\w+)\(/g)].map(([, name]) => name ?? '');
  const picked = [...text.matchAll(/\bPick<IdentityProvider, ([^>]+)>/g)].flatMap(([, names]) =>
    [...(names ?? '').matchAll(/'(\w+)'/g)].map(([, name]) => name ?? ''),
  );
  return [...called, ...picked];
}

export interface ActionsByProcess {
  readonly setup: readonly string[];
  readonly api: readonly string[];
  readonly worker: readonly string[];
  /** Sent anywhere, by whomever. */
  readonly any: readonly string[];
}

/** What each process may ask of IAM, read from the code. The API here hosts no worker. */
export async function actionsByProcess(): Promise<ActionsByProcess> {
  const files = await sourcesOf('src', 'activities', 'worker', 'cli', 'workflows');
  const byPath = new Map(files.map((file) => [file.path, file]));
  const methods = new Map(
    ADAPTERS.flatMap((path) => [...operationsByMethod(byPath.get(path)?.text ?? '')]),
  );
  const of = (paths: Iterable<string>): string[] =>
    actions(
      [...paths].flatMap((path) => {
        const file = byPath.get(path);
        if (!file) return [];
        const own = ADAPTERS.includes(path) ? [] : operationsIn(file.text);
        return [...own, ...methodsIn(file).flatMap((name) => methods.get(name) ?? [name])];
      }),
    );
  // What only the API calls: the composition root hands it to the handlers.
  const ofApi = new Set(
    ['src/main.ts', 'src/wiring.ts']
      .flatMap((path) => runTimeImports(byPath.get(path) ?? { path, text: '' }))
      .filter((target) => target.startsWith('src/cognito/') && !ADAPTERS.includes(target)),
  );
  const ofWorker = [...reachable('worker/main.ts', byPath)].filter((path) => !ofApi.has(path));
  return {
    setup: of(reachable('cli/setup/main.ts', byPath)),
    api: of(ofApi),
    worker: of(ofWorker),
    any: actions(files.flatMap(({ text }) => operationsIn(text))),
  };
}

function actions(operations: readonly string[]): string[] {
  const signed = operations.filter((operation) => !BY_TOKEN.has(operation));
  return [...new Set(signed.map((operation) => `cognito-idp:${operation}`))].toSorted();
}

function runTimeImports(file: SourceFile): string[] {
  return importsOf(file).flatMap(({ target, typesOnly }) => (typesOnly ? [] : [target]));
}

function reachable(main: string, byPath: ReadonlyMap<string, SourceFile>): Set<string> {
  const seen = new Set<string>([main]);
  for (const path of seen) {
    const file = byPath.get(path);
    if (file) for (const target of runTimeImports(file)) seen.add(target);
  }
  return seen;
}
