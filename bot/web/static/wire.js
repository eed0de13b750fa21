/** Asking the server again and again, gently: slower when nobody looks, slower still when it does not answer. */

export const EVERY = 2000;
const HIDDEN = 15000;
const SLOWEST = 30000;

/**
 * Call `look` until it is stopped. `look` is async and throws when the server could not be asked.
 * `onTrouble(true)` is called once when it has failed twice, `onTrouble(false)` when it works again.
 * `every` is the pace in milliseconds, `hidden` the pace while nobody looks.
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

/** A number that only this page knows, so that a text sent twice is taken once. */
export function once() {
  const bytes = crypto.getRandomValues(new Uint8Array(9));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
