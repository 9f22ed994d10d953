import tailwindcss from '@tailwindcss/vite';
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

/** `npm run dev` shows the pages of a server that runs elsewhere. */
const server = 'http://127.0.0.1:7070';

export default defineConfig({
  plugins: [react(), tailwindcss()],
  build: {
    target: 'es2022',
    outDir: 'dist',
    emptyOutDir: true,
    assetsDir: 'assets',
    // Small files must stay files: the content security policy allows no data: scripts or styles.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: {
      treeshake: {
        // The protocol's schemas are values without side effects; the page uses its tables and types only.
        moduleSideEffects: (id) => !/packages[\\/]protocol[\\/]|node_modules[\\/]zod[\\/]/.test(id),
      },
    },
  },
  server: { proxy: { '/api': { target: server, ws: true } } },
});
