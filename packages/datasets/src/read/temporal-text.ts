/** Instants and days since 1970 as text, in DuckDB's notation. Units are counted per second. */

const SECONDS_PER_DAY = 86_400n;

export function dayText(days: bigint): string {
  const { year, month, day } = civilDate(days);
  const digits = String(year > 0n ? year : 1n - year).padStart(4, '0');
  return `${digits}-${two(month)}-${two(day)}${year > 0n ? '' : ' (BC)'}`;
}

/** @param perSecond 1, 1,000, 1,000,000 or 1,000,000,000 */
export function timestampText(value: bigint, perSecond: bigint, hasZone: boolean): string {
  const perDay = SECONDS_PER_DAY * perSecond;
  const days = floorDivide(value, perDay);
  const text = `${dayText(days)} ${timeText(value - days * perDay, perSecond)}`;
  return hasZone ? `${text}+00` : text;
}

export function timeText(value: bigint, perSecond: bigint): string {
  const seconds = value / perSecond;
  const rest = value % perSecond;
  const time = `${two(seconds / 3600n)}:${two((seconds / 60n) % 60n)}:${two(seconds % 60n)}`;
  if (rest === 0n) return time;
  const fraction = String(rest).padStart(String(perSecond).length - 1, '0');
  return `${time}.${fraction.replace(/0+$/, '')}`;
}

/** @param digits of the number, that many of them behind the point */
export function decimalText(value: bigint, scale: number): string {
  if (scale <= 0) return String(value * 10n ** BigInt(-scale));
  const digits = String(value < 0n ? -value : value).padStart(scale + 1, '0');
  return `${value < 0n ? '-' : ''}${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
}

/** Proleptic Gregorian calendar, by Howard Hinnant's days-to-civil algorithm. */
function civilDate(days: bigint): { year: bigint; month: bigint; day: bigint } {
  const shifted = days + 719_468n;
  const era = floorDivide(shifted, 146_097n);
  const dayOfEra = shifted - era * 146_097n;
  const yearOfEra = (dayOfEra - dayOfEra / 1460n + dayOfEra / 36_524n - dayOfEra / 146_096n) / 365n;
  const dayOfYear = dayOfEra - (365n * yearOfEra + yearOfEra / 4n - yearOfEra / 100n);
  const shiftedMonth = (5n * dayOfYear + 2n) / 153n;
  const month = shiftedMonth < 10n ? shiftedMonth + 3n : shiftedMonth - 9n;
  const year = yearOfEra + era * 400n + (month <= 2n ? 1n : 0n);
  return { year, month, day: dayOfYear - (153n * shiftedMonth + 2n) / 5n + 1n };
}

function floorDivide(a: bigint, b: bigint): bigint {
  const quotient = a / b;
  return a % b < 0n ? quotient - 1n : quotient;
}

function two(value: bigint): string {
  return String(value).padStart(2, '0');
}
