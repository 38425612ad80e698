const RUNS = `WorkflowType IN ('registerUser', 'changeUser')`;

/** The list of runs of registrations and changes in the Temporal UI, without those of the schedules.
 * @param uiUrl without a slash at its end */
export function runsLink(uiUrl: string, namespace: string): string {
  return `${uiUrl}/namespaces/${encodeURIComponent(namespace)}/workflows?query=${encodeURIComponent(RUNS)}`;
}
