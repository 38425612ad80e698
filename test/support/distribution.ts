/** The largest difference between two empirical distributions (Kolmogorov and Smirnov). */
export function distance(left: readonly number[], right: readonly number[]): number {
  const shareUpTo = (all: readonly number[], bound: number): number =>
    all.filter((value) => value <= bound).length / all.length;
  return Math.max(
    ...[...left, ...right].map((at) => Math.abs(shareUpTo(left, at) - shareUpTo(right, at))),
  );
}

/** Whether two samples may come of one distribution. A wrong `false` has one chance in 10,000. */
export function isSameDistribution(left: readonly number[], right: readonly number[]): boolean {
  const critical = 2.225 * Math.sqrt((left.length + right.length) / (left.length * right.length));
  return distance(left, right) < critical;
}
