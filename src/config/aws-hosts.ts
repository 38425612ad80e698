/** One partition of AWS: which regions it has, and the domains below which its services answer. */
interface Partition {
  readonly regions: RegExp;
  readonly domain: string;
  readonly dualStackDomain: string;
}

/** The partitions of the SDK; a test compares them. The first applies to every region not listed. */
const PARTITIONS: readonly [Partition, ...Partition[]] = [
  { regions: /^/, domain: 'amazonaws.com', dualStackDomain: 'api.aws' },
  {
    regions: /^cn-/,
    domain: 'amazonaws.com.cn',
    dualStackDomain: 'api.amazonwebservices.com.cn',
  },
  { regions: /^eusc-/, domain: 'amazonaws.eu', dualStackDomain: 'api.amazonwebservices.eu' },
  { regions: /^us-iso-/, domain: 'c2s.ic.gov', dualStackDomain: 'api.aws.ic.gov' },
  { regions: /^us-isob-/, domain: 'sc2s.sgov.gov', dualStackDomain: 'api.aws.scloud' },
  { regions: /^eu-isoe-/, domain: 'cloud.adc-e.uk', dualStackDomain: 'api.cloud-aws.adc-e.uk' },
  { regions: /^us-isof-/, domain: 'csp.hci.ic.gov', dualStackDomain: 'api.aws.hci.ic.gov' },
];

/** Further domains of AWS, such as the hosted pages of a pool. */
const OTHER_DOMAINS = ['amazoncognito.com', 'on.aws', 'aws.dev'];

const DOMAINS = [
  ...PARTITIONS.flatMap(({ domain, dualStackDomain }) => [domain, dualStackDomain]),
  ...OTHER_DOMAINS,
];

/** Whether a host is one of AWS, in any case and with dots at its end. */
export function isAwsHost(hostname: string): boolean {
  const name = hostname.toLowerCase().replace(/\.+$/, '');
  return DOMAINS.some((domain) => name === domain || name.endsWith(`.${domain}`));
}

/** The domain of a region's services: `amazonaws.com`. */
export function awsDomainOf(region: string): string {
  const [usual, ...others] = PARTITIONS;
  return (others.find(({ regions }) => regions.test(region)) ?? usual).domain;
}
