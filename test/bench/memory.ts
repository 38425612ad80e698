import { join } from 'node:path';
import { startContender } from './compare.ts';
import { type EngineName, startEngine } from './engines.ts';
import { load } from './load.ts';
import { MANY_CALLERS } from './measure.ts';
import { residentMibOf } from './process-usage.ts';
import type { Site } from './site.ts';

export interface MemoryResult {
  readonly title: string;
  /** Resident memory of the API process with its worker, after so many registrations. */
  readonly samples: readonly { readonly registrations: number; readonly mib: number }[];
}

const REGISTRATIONS = 10_000;
const STEP = 1000;

export async function measureMemory(
  name: EngineName,
  site: Site,
  print: (line: string) => void,
): Promise<MemoryResult> {
  const engine = await startEngine(name, join(site.home, name), print);
  const samples: { registrations: number; mib: number }[] = [];
  try {
    const ledgerUrl = await site.makeLedger('memory');
    const { api, measured } = await startContender('registrar', 'memory', engine, site, ledgerUrl);
    try {
      for (let registrations = 0; registrations <= REGISTRATIONS; registrations += STEP) {
        if (registrations > 0) {
          await load(measured.target, { callers: MANY_CALLERS, ms: Infinity, most: STEP });
        }
        const mib = await residentMibOf(api.pid);
        samples.push({ registrations, mib });
        print(`after ${registrations} registrations: ${mib.toFixed(0)} MiB`);
      }
    } finally {
      await api.stop();
    }
  } finally {
    await engine.stop();
  }
  return { title: engine.title, samples };
}
