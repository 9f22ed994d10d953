import type { ServerConfig, ServerInfo } from '@trainyard/protocol';
import type { Logger } from 'pino';
import type { Artifacts } from './artifacts/artifacts.ts';
import type { ArtifactCollector } from './artifacts/collect-artifacts.ts';
import type { Attempts } from './attempts/attempts.ts';
import type { Auth } from './auth/auth.ts';
import type { SecretBox } from './auth/secret-box.ts';
import type { DatasetsOnDisk } from './datasets-on-disk.ts';
import type { Ingest } from './ingest/index.ts';
import type { LiveBus } from './live/live-bus.ts';
import type { Orchestrator } from './orchestrator/orchestrator.ts';
import type { Launcher } from './schedules/launcher.ts';
import type { Database } from './store/database.ts';
import type { Tracking } from './tracking/tracking.ts';
import type { WebhookSender } from './webhooks/webhook-sender.ts';

/** What the routes work with; assembled once in `start-server.ts`. */
export interface ServerContext {
  readonly database: Database;
  readonly ingest: Ingest;
  readonly tracking: Tracking;
  readonly attempts: Attempts;
  readonly orchestrator: Orchestrator;
  readonly auth: Auth;
  readonly secrets: SecretBox;
  readonly webhookSender: WebhookSender;
  readonly launcher: Launcher;
  readonly datasets: DatasetsOnDisk;
  readonly artifacts: Artifacts;
  readonly artifactCollector: ArtifactCollector;
  readonly bus: LiveBus;
  /** Levels of pipelines that a definition may have. */
  readonly maxDepth: number;
  readonly config: ServerConfig;
  readonly info: ServerInfo;
  /** New at every start. */
  readonly instanceId: string;
  readonly log: Logger;
  /** False until migrations ran and the orchestrator owns its trees, and again while stopping. */
  readonly isReady: () => boolean;
}
