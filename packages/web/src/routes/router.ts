import { createRootRoute, createRoute, createRouter, lazyRouteComponent } from '@tanstack/react-router';
import { AgentsPage } from './agents-page.tsx';
import { CrashPage, NotFoundPage } from './message-pages.tsx';
import { RunsPage } from './runs-page.tsx';
import { readRunSearch, readRunsSearch } from './search.ts';
import { Shell } from './shell.tsx';

const root = createRootRoute({
  component: Shell,
  notFoundComponent: NotFoundPage,
  errorComponent: CrashPage,
});

const runs = createRoute({
  getParentRoute: () => root,
  path: '/',
  component: RunsPage,
  validateSearch: readRunsSearch,
});

const run = createRoute({
  getParentRoute: () => root,
  path: '/runs/$runId',
  // Graph and charts are most of the code and are not needed for the list.
  component: lazyRouteComponent(() => import('./run-page.tsx'), 'RunPage'),
  validateSearch: readRunSearch,
});

const agents = createRoute({ getParentRoute: () => root, path: '/agents', component: AgentsPage });

/** Addresses of the pages. Each view state is in the address, so a copied link shows the same view. */
export const router = createRouter({
  routeTree: root.addChildren([runs, run, agents]),
  defaultPreload: 'intent',
  scrollRestoration: true,
});

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router;
  }
}
