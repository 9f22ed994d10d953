import { TrainyardError } from '@trainyard/protocol/plain';
import type { RemoteFile } from './fetch-file.ts';
import type { ResolvedFetchOptions } from './fetch-options.ts';

/**
 * The HTTPS address of an S3 object. AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL name another service than Amazon's,
 * AWS_REGION the region; without AWS_ACCESS_KEY_ID the request is not signed.
 */
export function s3File(source: string, { env }: ResolvedFetchOptions): RemoteFile {
  const [, bucket = '', key = ''] = /^s3:\/\/([^/]+)\/(.+)$/i.exec(source) ?? [];
  if (!/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(bucket) || key === '' || key.endsWith('/')) {
    throw new TrainyardError(
      'DATASET_UNSUPPORTED',
      `${source} names no object; write s3://bucket/path/file.parquet.`,
    );
  }
  const region = env['AWS_REGION'] || env['AWS_DEFAULT_REGION'] || 'us-east-1';
  const endpoint = env['AWS_ENDPOINT_URL_S3'] || env['AWS_ENDPOINT_URL'];
  const path = key.split('/').map(encodeSegment).join('/');
  const url = new URL(addressOf(bucket, path, region, endpoint));
  return { url, headers: () => signed(url, region, env) };
}

function addressOf(bucket: string, path: string, region: string, endpoint: string | undefined): string {
  if (endpoint !== undefined && endpoint !== '') {
    if (!URL.canParse(endpoint)) {
      throw new TrainyardError('DATASET_UNSUPPORTED', `AWS_ENDPOINT_URL is no URL: ${endpoint}`);
    }
    return `${endpoint.replace(/\/+$/, '')}/${bucket}/${path}`;
  }
  // A certificate for *.s3.… does not cover names with further dots.
  return bucket.includes('.')
    ? `https://s3.${region}.amazonaws.com/${bucket}/${path}`
    : `https://${bucket}.s3.${region}.amazonaws.com/${path}`;
}

async function signed(
  url: URL,
  region: string,
  env: ResolvedFetchOptions['env'],
): Promise<Readonly<Record<string, string>>> {
  const accessKeyId = env['AWS_ACCESS_KEY_ID'];
  const secretAccessKey = env['AWS_SECRET_ACCESS_KEY'];
  if (!accessKeyId || !secretAccessKey) return {};
  const { AwsV4Signer } = await import('aws4fetch');
  const signer = new AwsV4Signer({
    method: 'GET',
    url: url.href,
    accessKeyId,
    secretAccessKey,
    ...(env['AWS_SESSION_TOKEN'] ? { sessionToken: env['AWS_SESSION_TOKEN'] } : {}),
    service: 's3',
    region,
  });
  const { headers } = await signer.sign();
  return Object.fromEntries([...headers].filter(([name]) => name !== 'host'));
}

/** As S3 wants it: more than encodeURIComponent does. */
function encodeSegment(segment: string): string {
  return encodeURIComponent(segment).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
