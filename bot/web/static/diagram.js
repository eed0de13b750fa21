// Scrolls a diagram that is wider than its frame to the open step, or to the flow's first step.
for (const frame of document.querySelectorAll(".diagram-frame")) {
  const step = frame.querySelector(".fd-step.is-selected") ?? frame.querySelector(".fd-step.is-start");
  if (!step) continue;
  const place = step.getBoundingClientRect();
  const around = frame.getBoundingClientRect();
  frame.scrollLeft += place.left + place.width / 2 - (around.left + around.width / 2);
  const below = place.bottom - around.bottom;
  if (below > 0) frame.scrollTop += below + around.height / 3;
}
