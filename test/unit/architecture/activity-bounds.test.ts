import { describe, expect, test } from 'vitest';
import * as options from '../../../workflows/activity-options.ts';
import { importsOf, sourcesOf, withoutComments, type SourceFile } from './source.ts';

type Bounds = Readonly<Record<string, unknown>>;

/** Each exported options object; of a function, what it makes. */
const OPTIONS = Object.entries(options).map(
  ([name, value]) => [name, (typeof value === 'function' ? value(7) : value) as Bounds] as const,
);

function missingBounds(bounds: Bounds): string[] {
  const retry = (bounds['retry'] ?? {}) as Bounds;
  const attempts = retry['maximumAttempts'];
  return [
    ...(bounds['startToCloseTimeout'] ? [] : ['no bound per attempt']),
    ...(typeof attempts === 'number' && attempts >= 1 ? [] : ['no number of attempts']),
  ];
}

const HANDED_ON = new Set([
  'workflows/proxies.ts: background ? inBackground(options)',
  'workflows/proxies.ts: options',
  'workflows/proxies.ts: { ...options, summary }',
  'workflows/background.ts: inBackground(options)',
]);

/** Every proxy in a file of workflows/, and what is wrong with its options. */
function badProxies(file: SourceFile): string[] {
  const code = withoutComments(file.text);
  const known = new Set(
    importsOf(file).some(({ target }) => target === 'workflows/activity-options.ts')
      ? OPTIONS.map(([name]) => name)
      : [],
  );
  const proxies = [
    ...code.matchAll(/\bproxy(?:Local)?Activities(?:<[^>]*>)?\(([^()]*(?:\([^()]*\))?)/g),
  ];
  return proxies.flatMap(([, argument = '']) => {
    // These hand on the options that they were given: those are looked at where they are called.
    if (HANDED_ON.has(`${file.path}: ${argument}`)) return [];
    return optionsIn(argument, known) ? [] : [`${file.path}: ${argument}`];
  });
}

/** Every call of `step(ref, options, name)`, `activities(options)` and `activitiesOf(ref, options)`, and
 * what is wrong with its options. */
function badSteps(file: SourceFile): string[] {
  const calls = [
    ...withoutComments(file.text).matchAll(
      /(?<!function )\b(?:step\(ref, |activities\(|activitiesOf<\w+>\(ref, )(?:\{\s*\.\.\.)?([A-Za-z_{][^,)]*)/g,
    ),
  ];
  const known = new Set(OPTIONS.map(([name]) => name));
  return calls.flatMap(([, argument = '']) => {
    if (HANDED_ON.has(`${file.path}: ${argument}`)) return [];
    return optionsIn(argument, known) ? [] : [`${file.path}: ${argument}`];
  });
}

function optionsIn(argument: string, known: ReadonlySet<string>): boolean {
  return known.has(/^[A-Za-z_]\w*/.exec(argument.trim())?.[0] ?? '');
}

describe('every activity has both bounds', () => {
  test.each(OPTIONS)('%s', (_, bounds) => {
    expect(missingBounds(bounds)).toEqual([]);
  });

  test('the check finds activities to look at', () => {
    expect(OPTIONS.map(([name]) => name)).toContain('budgeted');
    expect(OPTIONS.length).toBeGreaterThanOrEqual(4);
  });

  test('a retry budget limits the number of attempts and is never a schedule-to-close time-out', () => {
    const made = options.budgeted(7);
    expect(made.retry?.maximumAttempts).toBe(7);
    const capped = OPTIONS.filter(([name, o]) => name !== 'AT_ONCE' && o['scheduleToCloseTimeout']);
    expect(capped).toEqual([]);
  });

  test('compensating activities wait until nothing is in flight', () => {
    const steps = [options.budgeted(1), options.UNENDING, options.SLOW, options.AT_ONCE];
    expect(new Set(steps.map(({ cancellationType }) => cancellationType))).toEqual(
      new Set(['WAIT_CANCELLATION_COMPLETED']),
    );
  });
});

describe('workflows/', () => {
  test('every proxy and every step takes its options from activity-options.ts', async () => {
    const files = await sourcesOf('workflows');
    const proxies = files.flatMap(({ text }) => [
      ...text.matchAll(/(?:proxy(?:Local)?Activities|activitiesOf)[<(]/g),
    ]);
    expect(proxies.length).toBeGreaterThanOrEqual(4);
    expect(files.flatMap(badProxies)).toEqual([]);
    expect(files.flatMap(badSteps)).toEqual([]);
  });

  test('no workflow has a run or execution time-out, because a parked user may wait for any time', async () => {
    const files = await sourcesOf('src', 'workflows', 'activities', 'worker', 'cli', 'dev');
    expect(files.filter(boundsRuns).map(({ path }) => path)).toEqual([]);
  });
});

function boundsRuns({ text }: SourceFile): boolean {
  return /\bworkflow(?:Execution|Run)Timeout\b/.test(withoutComments(text));
}

describe('each rule can fail', () => {
  const inFile = (text: string, path = 'workflows/new.ts') => ({
    path,
    text: `import { ROUND } from './activity-options.ts';\n${text}`,
  });

  test('the check reports activities without bounds', () => {
    expect(missingBounds({})).toHaveLength(2);
    expect(missingBounds({ startToCloseTimeout: '1 s', retry: {} })).toEqual([
      'no number of attempts',
    ]);
    const zero = { startToCloseTimeout: '1 s', retry: { maximumAttempts: 0 } };
    expect(missingBounds(zero)).toEqual(['no number of attempts']);
    expect(missingBounds({ retry: { maximumAttempts: 1 } })).toEqual(['no bound per attempt']);
  });

  test.each([
    `const a = proxyActivities<A>({ startToCloseTimeout: '1 s' });`,
    `const a = proxyLocalActivities<A>(MINE);`,
    `const a = proxyActivities(mine(3));`,
    `const a = proxyActivities<A>({ ...queued(ref, options), activityId: name });`,
    `const a = proxyActivities<A>(inBackground(options));`,
  ])('%s', (text) => {
    expect(badProxies(inFile(text))).toHaveLength(1);
  });

  test('the check reports options of the same name from another file', () => {
    const text = `import { ROUND } from './mine.ts';\nconst a = proxyActivities<A>(ROUND);`;
    expect(badProxies({ path: 'workflows/new.ts', text })).toHaveLength(1);
    expect(badProxies(inFile(`const a = proxyActivities<A>(ROUND);`))).toEqual([]);
  });

  test('the check reports a step with options of its own', () => {
    expect(badSteps(inFile(`await step(ref, { retry: {} }, 'x').deleteUser(ref);`))).toHaveLength(
      1,
    );
    expect(badSteps(inFile(`await step(ref, MINE, 'x').deleteUser(ref);`))).toHaveLength(1);
    expect(badSteps(inFile(`await step(ref, budgeted(n), 'x').deleteUser(ref);`))).toEqual([]);
  });

  test('the check reports a time-out on runs', () => {
    expect(boundsRuns(inFile(`start({ workflowRunTimeout: '1 day' });`))).toBe(true);
    expect(boundsRuns(inFile(`start({ workflowExecutionTimeout: 1 });`))).toBe(true);
    expect(boundsRuns(inFile(`start({ workflowTaskTimeout: '5 s' });`))).toBe(false);
  });
});
