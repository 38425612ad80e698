import { readFile } from 'node:fs/promises';
import { describe, expect } from 'vitest';
import { parse as parseYaml } from 'yaml';
import { scrape, type Exposition } from '../support/exposition.ts';
import { REPOSITORY } from '../support/program.ts';
import { parseQuery } from '../support/promql.ts';
import { test } from '../support/deployment-test.ts';

test.override('deploymentOptions', { env: { RETRY_BUDGET_SECONDS: '1' } });

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly for?: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}
interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly gridPos: {
    readonly x: number;
    readonly y: number;
    readonly w: number;
    readonly h: number;
  };
  readonly targets?: readonly { readonly expr: string; readonly legendFormat: string }[];
}

const read = (path: string) => readFile(`${REPOSITORY}${path}`, 'utf8');
const { groups } = parseYaml(await read('deploy/prometheus/alerts.yml')) as {
  groups: { name: string; rules: Rule[] }[];
};
const rules = groups.flatMap((group) => group.rules);
const dashboard = JSON.parse(await read('deploy/grafana/registrar.json')) as {
  schemaVersion: number;
  templating: { list: { name: string; type: string; query: string }[] };
  panels: Panel[];
};
const runbook = await read('docs/runbook.md');
/** Grafana's own, filled in before Prometheus sees a query. */
const filledIn = (expr: string) => expr.replaceAll('$__rate_interval', '5m');

/** A registration of each kind has been through these. */
let shown: Exposition[];
test.beforeAll(async ({ deployment }) => {
  await deployment.setUp();
  const api = await deployment.api({ IN_PROCESS_WORKER: 'false', METRICS_PORT: '0' });
  const worker = await deployment.worker({ WORKER_PORT: '0' });
  const [, url = ''] = await worker.says(/"url":"(http:[^"]+)","msg":"worker is listening"/);
  const operation = 'AdminAddUserToGroup';
  await deployment.pool.setFaults([
    { operation, match: { email: 'throttled*' }, times: 2, fault: { kind: 'throttle' } },
    {
      operation,
      match: { email: 'fails*' },
      fault: { kind: 'error', error: 'ResourceNotFoundException' },
    },
  ]);
  for (const [name, status] of [
    ['throttled', 201],
    ['fails', 500],
  ] as const) {
    const answer = await deployment.register(api, `${name}@example.com`, { prefer: 'wait=30' });
    expect(answer.status).toBe(status);
  }
  shown = [await scrape(api.metricsUrl), await scrape(url)];
});

/** Labels of all samples of a metric, of API and worker. */
const samplesOf = (metric: string) => shown.flatMap((each) => each.labelsOf(metric));

/** What a query names and nobody exposes. */
function strangeIn(expr: string): string[] {
  const { selectors, groupings } = parseQuery(filledIn(expr));
  const has = (metric: string, label: string) => samplesOf(metric).some((of) => label in of);
  return [
    ...(selectors.length === 0 ? ['it asks for nothing'] : []),
    ...selectors.filter(({ metric }) => samplesOf(metric).length === 0).map(({ metric }) => metric),
    ...selectors.flatMap(({ metric, matchers }) =>
      matchers.flatMap(({ label, op, value }) => {
        const fits = (given = '') =>
          op.endsWith('~') ? new RegExp(`^(?:${value})$`).test(given) : given === value;
        const known = samplesOf(metric).some((of) => fits(of[label]));
        return known ? [] : [`${metric}{${label}${op}"${value}"}`];
      }),
    ),
    ...groupings.flatMap(({ labels, metrics }) =>
      labels
        .filter((label) => !metrics.every((metric) => has(metric, label)))
        .map((label) => `by (${label}) of ${metrics.join(', ')}`),
    ),
  ];
}

/** Anchors of the sections of a runbook that say what to check, what to do and why it is safe. */
function symptomsIn(markdown: string): string[] {
  const sections = markdown.split(/^## /m).slice(1);
  const parts = ['- **Check**: ', '- **Do**: ', '- **Why it is safe**: '];
  return sections
    .filter((section) => parts.every((part) => section.includes(`\n${part}`)))
    .map((section) => section.split('\n', 1).join('').toLowerCase().replaceAll(' ', '-'));
}

describe('deploy/prometheus/alerts.yml', () => {
  test.each(rules.map((rule) => [rule.alert, rule] as const))('%s', (name, rule) => {
    expect(name).toMatch(/^Registrar[A-Za-z]+$/);
    expect(strangeIn(rule.expr)).toEqual([]);
    expect(rule.for ?? '1m').toMatch(/^\d+m$/);
    expect(['warning', 'critical']).toContain(rule.labels['severity']);
    const { summary, runbook_url: url } = rule.annotations;
    expect(summary).toMatch(/^[A-Z].*\.$/);
    expect(symptomsIn(runbook).map((symptom) => `docs/runbook.md#${symptom}`)).toContain(url);
  });

  test('each section of the runbook is a symptom, but for the token, triage and the pages', () => {
    const sections = [...runbook.matchAll(/^## (.+)$/gm)].map(([, heading = '']) => heading);
    const first = ['The console', 'Get a token', 'Triage'];
    expect(sections.slice(0, 3)).toEqual(first);
    expect(sections.at(-1)).toBe('Temporal UI');
    const others = [...first, 'Temporal UI'];
    const symptoms = sections.filter((heading) => !others.includes(heading));
    expect(symptomsIn(runbook)).toHaveLength(symptoms.length);
  });

  test('alert names are unique and cover every symptom of the runbook', () => {
    expect(new Set(rules.map(({ alert }) => alert)).size).toBe(rules.length);
    const metrics = new Set(
      rules.flatMap(({ expr }) => parseQuery(expr).selectors.map(({ metric }) => metric)),
    );
    expect([...metrics]).toEqual(
      expect.arrayContaining([
        'registrar_oldest_parked_seconds',
        'registrar_oldest_accepted_seconds',
        'registrar_open_registrations',
        'registrar_cognito_throttles_total',
        'registrar_outbox_lag_seconds',
        'registrar_compensations_total',
        'registrar_worker_polling',
        'registrar_http_request_duration_seconds_count',
      ]),
    );
  });
});

describe('deploy/grafana/registrar.json', () => {
  const panels = dashboard.panels.filter(({ type }) => type !== 'row');

  test.each(panels.map((panel) => [panel.title, panel] as const))('%s', (_, panel) => {
    expect(panel.targets?.length).toBeGreaterThan(0);
    for (const { expr, legendFormat } of panel.targets ?? []) {
      expect(strangeIn(expr)).toEqual([]);
      const grouped = new Set(parseQuery(filledIn(expr)).groupings.flatMap(({ labels }) => labels));
      const legend = [...legendFormat.matchAll(/\{\{(\w+)\}\}/g)].map(([, label]) => label);
      expect(legend.filter((label) => !grouped.has(label ?? ''))).toEqual([]);
    }
  });

  test('the dashboard fits the Grafana 10 schema, names its data source and places panels without overlap', () => {
    expect(dashboard.schemaVersion).toBe(38);
    const [source] = dashboard.templating.list;
    expect(source).toMatchObject({ name: 'datasource', type: 'datasource', query: 'prometheus' });
    const named = [...JSON.stringify(dashboard.panels).matchAll(/"uid":"([^"]*)"/g)];
    expect(new Set(named.map(([, uid]) => uid))).toEqual(new Set(['${datasource}']));
    expect(new Set(dashboard.panels.map(({ id }) => id)).size).toBe(dashboard.panels.length);
    const squares = dashboard.panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, i) => `${x + (i % w)}/${y + Math.floor(i / w)}`),
    );
    expect(new Set(squares).size).toBe(squares.length);
    expect(Math.max(...dashboard.panels.map(({ gridPos: { x, w } }) => x + w))).toBe(24);
  });
});

describe('each check can fail', () => {
  test.each([
    ['sum(registrar_nothing_total)', ['registrar_nothing_total']],
    [
      'registrar_open_registrations{state="accepted"}',
      ['registrar_open_registrations{state="accepted"}'],
    ],
    [
      'registrar_open_registrations{status=~"park.*"}',
      ['registrar_open_registrations{status=~"park.*"}'],
    ],
    [
      'sum by (email) (registrar_open_registrations)',
      ['by (email) of registrar_open_registrations'],
    ],
    ['1 > 2', ['it asks for nothing']],
  ])('%s', (expr, strange) => {
    expect(strangeIn(expr)).toEqual(strange);
  });

  test('a runbook section without check, do or why is not a symptom', () => {
    const whole = '## Is late\n\n- **Check**: a\n- **Do**: b\n- **Why it is safe**: c\n';
    expect(symptomsIn(whole)).toEqual(['is-late']);
    expect(symptomsIn(whole.replace('**Do**', '**Look**'))).toEqual([]);
  });

  test.each(['sum(', 'rate(x[5 minutes])', 'a b', '', 'max by x (y)'])(
    'a query that is not PromQL is refused: %s',
    (text) => {
      expect(() => parseQuery(text)).toThrow('no PromQL');
    },
  );
});
