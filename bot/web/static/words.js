/** The translations of a flow: counts what each text costs while it is written, and warns before leaving unsaved text. */
import { measure } from "./segments.js";

const form = document.querySelector(".words-form");
let dirty = false;

function folded(text) {
  return text.replace(/[áíóúÁÍÓÚ]/g, (letter) => letter.normalize("NFD")[0]);
}

function count(box) {
  const place = document.getElementById(`${box.id}-says`)?.querySelector("[data-size]");
  if (!place) return;
  const { encoding, segments, left } = measure(folded(box.value.trim()));
  place.textContent = `This text alone: ${segments} segment${segments === 1 ? "" : "s"}, ${left} left${encoding === "UCS-2" ? ", special letters" : ""}. Save to count it as it is sent.`;
}

form?.addEventListener("input", (event) => {
  dirty = true;
  if (event.target.matches("[data-counted]")) count(event.target);
});
form?.addEventListener("submit", () => (dirty = false));
addEventListener("beforeunload", (event) => dirty && event.preventDefault());
for (const box of form?.querySelectorAll("[data-counted]") ?? []) {
  // Typed before this script was there, or given back by the browser.
  if (box.value === box.defaultValue) continue;
  dirty = true;
  count(box);
}
