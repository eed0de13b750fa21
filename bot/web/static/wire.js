/** Polls the server: slower while the page is hidden, and slower still while the server does not answer. */

export const EVERY = 2000;
const HIDDEN = 15000;
const SLOWEST = 30000;

/**
 * Call `look` repeatedly; returns a function that stops it. `look` is async and throws if the server cannot be reached.
 * `onTrouble(true)` is called once when it has failed twice, `onTrouble(false)` when it works again.
 * `every` is the interval in milliseconds, `hidden` the interval while the page is hidden.
 */
export function keepLooking(look, onTrouble = () => {}, { every = EVERY, hidden = HIDDEN } = {}) {
  let failures = 0;
  let timer = 0;
  let stopped = false;

  async function once() {
    clearTimeout(timer);
    try {
      await look();
      if (failures > 1) onTrouble(false);
      failures = 0;
    } catch {
      failures += 1;
      if (failures === 2) onTrouble(true);
    }
    if (!stopped) timer = setTimeout(once, pause());
  }

  function pause() {
    const wait = Math.min(every * 2 ** failures, SLOWEST);
    return document.hidden ? Math.max(wait, hidden) : wait;
  }

  function onVisible() {
    if (!document.hidden && !stopped) once();
  }

  document.addEventListener("visibilitychange", onVisible);
  timer = setTimeout(once, every);
  return () => {
    stopped = true;
    clearTimeout(timer);
    document.removeEventListener("visibilitychange", onVisible);
  };
}

/** A nonce, so that a text that is sent twice counts once. */
export function once() {
  const bytes = crypto.getRandomValues(new Uint8Array(9));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
