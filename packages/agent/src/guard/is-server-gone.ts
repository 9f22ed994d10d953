const ANSWER_LIMIT_MS = 3000;

/**
 * True when no server listens at the address. On this machine, where no network can be at fault, also when it does
 * not answer: then it stands still, and will grant new leases before it judges any.
 */
export async function isServerGone(url: string): Promise<boolean> {
  try {
    const { status } = await fetch(`${url}/healthz`, { signal: AbortSignal.timeout(ANSWER_LIMIT_MS) });
    return status === 503;
  } catch (error) {
    return isThisMachine(url) || isRefused(error);
  }
}

/** No network stands between, and bytes cost less than the work of compressing them. */
export function isThisMachine(url: string): boolean {
  return /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(new URL(url).hostname);
}

function isRefused(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if ('code' in cause && cause.code === 'ECONNREFUSED') return true;
  }
  return false;
}
