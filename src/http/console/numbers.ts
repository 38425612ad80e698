const NUMBER = new Intl.NumberFormat('en');

/** `1,234`, or `10,000 or more` where counting stopped there. */
export function numberOf(value: number, bound = Number.POSITIVE_INFINITY): string {
  return value >= bound ? `${NUMBER.format(value)} or more` : NUMBER.format(value);
}

/** `1 registration`, `40 registrations` */
export function counted(count: number, noun: string, bound?: number): string {
  return `${numberOf(count, bound)} ${count === 1 ? noun : `${noun}s`}`;
}
