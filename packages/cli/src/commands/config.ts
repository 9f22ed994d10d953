import { EXIT, type FailurePattern, formatDurationMs } from '@trainyard/protocol';
import type { CliContext } from '../cli-context.ts';
import { table } from '../view/table.ts';
import { withServer } from './runs.ts';

/** Shows the configuration of the server. */
export function configCommand(context: CliContext): Promise<number> {
  return withServer(context, async ({ client }) => {
    const config = await client.config();
    if (context.json) {
      context.out(`${JSON.stringify(config, null, 2)}\n`);
      return EXIT.ok;
    }
    const { failures, retention } = config;
    const rows = [
      ...failures.own.map((pattern) => rowOf('configuration', pattern)),
      ...failures.shipped.map((pattern) => rowOf('Trainyard', pattern)),
    ];
    context.out(table(['pattern of', 'class', 'label', 'then', 'pattern'], rows));
    const { logs, metricFiles } = retention;
    context.out(
      `\nLogs are kept ${forHowLong(logs.maxAgeMs)}${logs.maxBytes === null ? '' : `, at most ${logs.maxBytes} bytes of all`}.\n` +
        `Metrics files are kept ${forHowLong(metricFiles.maxAgeMs)}; their points for good.\n`,
    );
    return EXIT.ok;
  });
}

function rowOf(origin: string, { pattern, label, noRetry, excludeAgent, ...rest }: FailurePattern): string[] {
  const then = [noRetry ? 'no retry' : '', excludeAgent ? 'another agent' : ''].filter((word) => word !== '');
  return [origin, rest.class, label ?? '-', then.join(', ') || '-', pattern];
}

function forHowLong(maxAgeMs: number | null): string {
  return maxAgeMs === null ? 'for good' : `for ${formatDurationMs(maxAgeMs)} after the end of their run`;
}
