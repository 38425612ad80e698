import { readFile } from 'node:fs/promises';
import { parseFaultPlan, type Rule } from './cognito/fault-plan.ts';
import { reasonOf } from './stack/progress.ts';

/** A plan by the path of its file, or written out as JSON. Throws one line that names the plan. */
export async function readFaultPlan(plan: string): Promise<Rule[]> {
  const isWritten = /^\s*[[{]/.test(plan);
  try {
    return parseFaultPlan(JSON.parse(isWritten ? plan : await readFile(plan, 'utf8')));
  } catch (error) {
    throw new Error(`${isWritten ? 'the plan' : plan}: ${reasonOf(error)}`, { cause: error });
  }
}
