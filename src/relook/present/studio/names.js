() => {
  // Names and roles for screen readers that the components leave out.
  const mend = () => {
    for (const one of document.querySelectorAll('div.empty[aria-label]:not([role])')) one.setAttribute('role', 'img');
    for (const one of document.querySelectorAll('.upload-container[aria-label]')) one.removeAttribute('aria-label'); // its text says it
    for (const one of document.querySelectorAll('#overlay button:not([aria-label])')) {
      if (!one.textContent.trim()) one.setAttribute('aria-label', 'Regions over the picture: click one; the list beside it has the same');
    }
  };
  let waiting = false;
  new MutationObserver(() => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; mend(); });
  }).observe(document.body, { childList: true, subtree: true, attributes: true, attributeFilter: ['aria-label'] });
  mend();
}
