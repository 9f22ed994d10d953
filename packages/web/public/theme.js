// Runs before the first paint so that the page never flashes in the wrong theme. A file of its own, because
// the content security policy allows no inline script. src/design/theme.ts keeps the choice.
(() => {
  let choice = 'system';
  try {
    choice = localStorage.getItem('trainyard.theme') || 'system';
  } catch {
    // Storage may be blocked; the system's theme is used then.
  }
  const dark =
    choice === 'dark' || (choice !== 'light' && matchMedia('(prefers-color-scheme: dark)').matches);
  document.documentElement.dataset.theme = dark ? 'dark' : 'light';
})();
