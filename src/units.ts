/** Numbers as a person reads them: three significant digits and a unit. */

const PREFIXES = ['', 'k', 'M', 'G', 'T', 'P'] as const;

/** `512 B`, `44.8 MB`: decimal prefixes, as disks are sold and `ls --si` prints. */
export function formatBytes(bytes: number): string {
  const { digits, prefix } = scaled(bytes);
  return `${digits} ${prefix}B`;
}

/** `512`, `11.2 M`. */
export function formatCount(count: number): string {
  const { digits, prefix } = scaled(count);
  return prefix === '' ? digits : `${digits} ${prefix}`;
}

/** `0.4 s`, `12 s`, `1 m 12 s`, `2 h 5 m`, `3 d 4 h`: two units at most. */
export function formatDuration(seconds: number): string {
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const wholeSeconds = Math.round(seconds);
  if (wholeSeconds < 60) return `${wholeSeconds} s`;
  if (wholeSeconds < 3600) return `${Math.floor(wholeSeconds / 60)} m ${wholeSeconds % 60} s`;
  const wholeMinutes = Math.round(seconds / 60);
  if (wholeMinutes < 24 * 60) return `${Math.floor(wholeMinutes / 60)} h ${wholeMinutes % 60} m`;
  const wholeHours = Math.round(seconds / 3600);
  return `${Math.floor(wholeHours / 24)} d ${wholeHours % 24} h`;
}

/** `0.256 ms`, `26.5 ms`; from a second on `1.52 s`. */
export function formatMs(ms: number): string {
  return ms < 999.5 ? `${ms.toPrecision(3)} ms` : `${(ms / 1000).toPrecision(3)} s`;
}

/** `1,015 img/s`, `26.5 img/s`; of `bytes` `5.2 MB/s`. */
export function formatRate(perSecond: number, unit: string): string {
  if (unit === 'bytes') return `${formatBytes(perSecond)}/s`;
  const digits = perSecond < 99.95 ? perSecond.toPrecision(3) : Math.round(perSecond).toLocaleString('en-US');
  return `${digits} ${unit}/s`;
}

/** `91.73 %`, from percent, not from a share of 1. */
export function formatPercent(percent: number, decimals = 2): string {
  return `${percent.toFixed(decimals)} %`;
}

/** Below 1000 a whole number stays exact; above, 999,950 is 1.00 M and not 1000 k. */
function scaled(value: number): { digits: string; prefix: (typeof PREFIXES)[number] } {
  if (value < 1000) return { digits: String(Math.round(value)), prefix: '' };
  const rounded = (power: number) => (value / 1000 ** power).toPrecision(3);
  const power = PREFIXES.findLastIndex((_, power) => Number(rounded(power)) >= 1);
  return { digits: rounded(power), prefix: PREFIXES[power] ?? '' };
}
