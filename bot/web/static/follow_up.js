/** Keeps the lists' counts up to date while the page is open, and says when a list has changed. It changes no list itself. */
import { keepLooking } from "./wire.js";

const EVERY = 30000;
const news = document.getElementById("news");
const places = [...document.querySelectorAll("[data-count]")];

async function look() {
  const reply = await fetch(document.body.dataset.news, { headers: { Accept: "application/json" }, cache: "no-store" });
  if (!reply.ok) throw new Error(String(reply.status));
  const counts = await reply.json();
  for (const place of places) {
    const fresh = String(counts[place.dataset.count]);
    if (place.textContent === fresh) continue;
    place.textContent = fresh;
    news.hidden = false;
  }
}

keepLooking(look, () => {}, { every: EVERY, hidden: 4 * EVERY });
