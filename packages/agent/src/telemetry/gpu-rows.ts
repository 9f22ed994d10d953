/** One GPU as the driver tells of it. What it does not tell is null. */
export interface GpuSample {
  readonly index: number;
  readonly uuid: string | null;
  readonly name: string | null;
  /** Percent. */
  readonly utilization: number | null;
  readonly memoryUsedBytes: number | null;
  readonly memoryTotalBytes: number | null;
  readonly powerWatts: number | null;
  readonly temperatureCelsius: number | null;
}

/** What is asked of `nvidia-smi`, in this order; the name last, because it may hold commas. */
export const GPU_FIELDS = [
  'index',
  'uuid',
  'utilization.gpu',
  'memory.used',
  'memory.total',
  'power.draw',
  'temperature.gpu',
  'name',
] as const;

const MEBIBYTE = 1024 * 1024;
const NUMBER = /^-?\d+(\.\d+)?$/;

/**
 * Reads what `nvidia-smi --format=csv,noheader,nounits` printed. Lines that are no rows are left out; values
 * such as `[N/A]` or `ERR!` are null.
 * @param fields those that were asked for, a beginning of GPU_FIELDS or with fewer of them
 */
export function parseGpuRows(text: string, fields: readonly string[] = GPU_FIELDS): GpuSample[] {
  return text.split('\n').flatMap((line) => {
    const cells = line.split(',').map((cell) => cell.trim());
    if (cells.length < fields.length) return [];
    const cell = (field: string): string | undefined => {
      const at = fields.indexOf(field);
      if (at < 0) return undefined;
      return at === fields.length - 1 ? cells.slice(at).join(', ') : cells[at];
    };
    const number = (field: string): number | null => {
      const value = cell(field);
      return value !== undefined && NUMBER.test(value) ? Number(value) : null;
    };
    const text = (field: string): string | null => {
      const value = cell(field) ?? '';
      return value === '' || value.startsWith('[') || value.startsWith('ERR!') ? null : value;
    };
    const bytes = (field: string): number | null => {
      const mebibytes = number(field);
      return mebibytes === null ? null : mebibytes * MEBIBYTE;
    };
    const index = number('index');
    if (index === null || !Number.isInteger(index) || index < 0) return [];
    return [
      {
        index,
        uuid: text('uuid'),
        name: text('name'),
        utilization: number('utilization.gpu'),
        memoryUsedBytes: bytes('memory.used'),
        memoryTotalBytes: bytes('memory.total'),
        powerWatts: number('power.draw'),
        temperatureCelsius: number('temperature.gpu'),
      },
    ];
  });
}
