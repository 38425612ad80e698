import { expect, test } from 'vitest';
import type { BufferedMetricUpdate } from '@temporalio/worker';
import { SdkMetrics } from '../../../worker/sdk-metrics.ts';

type Kind = BufferedMetricUpdate['metric']['kind'];

function update(kind: Kind, value: number, attributes = {}, unit?: string): BufferedMetricUpdate {
  const metric = { name: `temporal_${kind}`, kind, valueType: 'int', unit, description: 'What.' };
  return { metric, value, attributes } as BufferedMetricUpdate;
}

test('counters add up, gauges hold the last, up-down counters go both ways', () => {
  const sdk = new SdkMetrics();
  const same = { operation: 'Poll', eager: false };
  for (const value of [1, 2]) {
    sdk.take(update('counter', value, same));
    sdk.take(update('gauge', value, { b: 'two', a: 'one' }));
    sdk.take(update('up-down-counter', value === 1 ? 5 : -2));
  }
  sdk.take(update('counter', 4, { operation: 'Poll', eager: true }));
  expect(sdk.text()).toBe(`# HELP temporal_counter_total What.
# TYPE temporal_counter_total counter
temporal_counter_total{eager="false",operation="Poll"} 3
temporal_counter_total{eager="true",operation="Poll"} 4
# HELP temporal_gauge What.
# TYPE temporal_gauge gauge
temporal_gauge{a="one",b="two"} 2
# HELP temporal_up-down-counter What.
# TYPE temporal_up-down-counter gauge
temporal_up-down-counter{} 3
`);
});

test('histograms of seconds are cumulative, and the last bucket has all', () => {
  const sdk = new SdkMetrics();
  for (const value of [0.001, 0.3, 0.4, 9999])
    sdk.take(update('histogram', value, { q: 'a"b' }, 's'));
  const text = sdk.text();
  const count = (le: string) =>
    new RegExp(String.raw`_seconds_bucket\{q="a\\"b",le="${le}"\} (\d+)`).exec(text)?.[1];
  expect(['0.001', '0.25', '0.5', '3600', '\\+Inf'].map(count)).toEqual(['1', '1', '3', '3', '4']);
  expect(text).toContain('temporal_histogram_seconds_sum{q="a\\"b"} 9999.701');
  expect(text).toContain('temporal_histogram_seconds_count{q="a\\"b"} 4');
});
