// The theme that somebody has chosen, before anything is drawn: a page that is dark for a moment
// and then light hurts. It runs while the page is read, so it is no module, and does nothing more.

{
  let chosen = null;
  try {
    chosen = localStorage.getItem('auditlake.theme');
  } catch {
    // A browser that keeps nothing follows the system.
  }
  const asked = new URLSearchParams(location.search).get('theme');
  const theme = [asked, chosen].find((name) => name === 'light' || name === 'dark');
  if (theme) document.documentElement.dataset.theme = theme;
}
