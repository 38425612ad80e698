export const CONTENDERS = ['registrar', 'saga', 'empty', 'direct'] as const;
export type ContenderName = (typeof CONTENDERS)[number];

export interface Contender {
  readonly title: string;
  readonly entry: readonly [string, ...string[]];
  /** Type of its workflow; null where it has none. */
  readonly workflowType: string | null;
}

const ENTRY = 'test/bench/contender.ts';

export const DESCRIPTIONS: Readonly<Record<ContenderName, Contender>> = {
  registrar: { title: 'Registrar', entry: ['src/main.ts'], workflowType: 'registerUser' },
  saga: { title: "Samples' saga", entry: [ENTRY, 'saga'], workflowType: 'sagaWorkflow' },
  empty: { title: 'Empty workflow', entry: [ENTRY, 'empty'], workflowType: 'emptyWorkflow' },
  direct: { title: 'No engine', entry: [ENTRY, 'direct'], workflowType: null },
};
