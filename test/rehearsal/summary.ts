import type { World } from './findings.ts';

/** What the rehearsal prints when all is closed. */
export function summaryOf(
  { receipts, users, events }: World,
  { kills, tookMs }: { kills: number; tookMs: number },
): string {
  const took = receipts
    .flatMap(({ acceptedAt, finishedAt }) => (finishedAt ? [+finishedAt - +acceptedAt] : []))
    .toSorted((a, b) => a - b);
  const at = (share: number): string => `${took[Math.ceil(took.length * share) - 1] ?? '-'} ms`;
  const statuses = new Map<string, number>();
  for (const { status } of receipts) statuses.set(status, (statuses.get(status) ?? 0) + 1);
  const marked = users.filter(({ mark }) => mark !== null).length;
  const overtaken = took.filter((ms) => ms > 1000).length;
  return [
    `registrations   ${[...statuses].map(([status, count]) => `${count} ${status}`).join(', ')}`,
    `users           ${marked} with a mark in the pool`,
    `audit trail     ${events.length} events user.registered`,
    `workers killed  ${kills}`,
    `accepted to closed  p50 ${at(0.5)}, p95 ${at(0.95)}, longest ${at(1)}; over 1 s: ${overtaken}`,
    `all in          ${Math.round(tookMs / 1000)} s`,
  ].join('\n');
}
