import { TrainyardError } from '@trainyard/protocol';

/** Calls to the tracking API of a server, by which runs from outside come in. */
export interface MlflowApi {
  call<T>(method: 'GET' | 'POST', path: string, body: Readonly<Record<string, unknown>>): Promise<T>;
}

/** @throws TrainyardError SERVER_UNREACHABLE, INVALID_REQUEST with what the server answered */
export function mlflowApi(server: { readonly url: string; readonly token: string | undefined }): MlflowApi {
  return {
    async call<T>(method: 'GET' | 'POST', path: string, body: Readonly<Record<string, unknown>>): Promise<T> {
      const search = method === 'GET' ? `?${new URLSearchParams(body as Record<string, string>)}` : '';
      const url = `${server.url.replace(/\/+$/, '')}/api/2.0/mlflow/${path}${search}`;
      const response = await fetch(url, {
        method,
        headers: {
          'content-type': 'application/json',
          ...(server.token === undefined ? {} : { authorization: `Bearer ${server.token}` }),
        },
        ...(method === 'GET' ? {} : { body: JSON.stringify(body) }),
      }).catch((error: unknown) => {
        throw new TrainyardError('SERVER_UNREACHABLE', `No server answered at ${server.url}.`, {
          cause: error,
        });
      });
      const text = await response.text();
      if (response.ok) return (text === '' ? {} : JSON.parse(text)) as T;
      throw refused(response.status, path, text);
    },
  };
}

/** The id of the experiment with a name, if there is one. */
export async function findExperiment(api: MlflowApi, name: string): Promise<string | undefined> {
  const found = await api
    .call<{ experiment: { experiment_id: string } }>('GET', 'experiments/get-by-name', {
      experiment_name: name,
    })
    .catch((error: { code?: unknown }) => {
      if (error.code !== 'NOT_FOUND') throw error;
    });
  return found?.experiment.experiment_id;
}

function refused(status: number, path: string, text: string): TrainyardError {
  const message = /"message":\s*"((?:[^"\\]|\\.)*)"/.exec(text)?.[1] ?? text.slice(0, 300);
  const code = status === 404 ? 'NOT_FOUND' : status === 401 ? 'UNAUTHENTICATED' : 'INVALID_REQUEST';
  return new TrainyardError(code, `${path} answered ${status}: ${message}`);
}
