import { ERRORS } from '@trainyard/protocol';
import type { FastifyPluginAsync } from 'fastify';

/** `/docs/errors`: the error catalogue as a page, where the `docs` link of every error points to. */
export const errorDocs: FastifyPluginAsync = async (app) => {
  app.get('/docs/errors', { config: { access: 'public' }, schema: { hide: true } }, (_request, reply) =>
    reply
      .type('text/html; charset=utf-8')
      .header(
        'content-security-policy',
        "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
      )
      .send(PAGE),
  );
};

const rows = Object.entries(ERRORS).map(
  ([code, { httpStatus, exitCode, meaning }]) =>
    `<tr id="${code.toLowerCase()}"><td><code>${code}</code></td><td>${httpStatus}</td><td>${exitCode}</td><td>${escapeHtml(meaning)}</td></tr>`,
);

const PAGE = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Errors · Trainyard</title>
<style>
  :root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
  body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
  table { border-collapse: collapse; }
  td, th { text-align: left; vertical-align: top; padding: 0.4rem 0.8rem 0.4rem 0; }
  tr:target { outline: 2px solid; }
</style>
<h1>Errors</h1>
<p>The message of an error names the place, what was found there and what to do. Its code names the cause.</p>
<table>
<tr><th>code</th><th>HTTP</th><th>exit code</th><th>meaning</th></tr>
${rows.join('\n')}
</table>
</html>
`;

function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
