/** The phone simulator: sends texts without a reload, shows new replies and records, and updates the clock. */
import { lookout, mergeLines, parse, setUpCompose, start } from "./telephone.js";

const look = lookout((fresh, isFirst) => {
  for (const [key, pieces] of Object.entries(fresh.phones)) {
    const device = document.querySelector(`[data-phone="${key}"]`);
    if (!device) continue;
    const lines = parse(`<ol>${pieces.lines}</ol>`).querySelector("ol");
    if (mergeLines(device.querySelector(".lines"), lines, isFirst) || isFirst) scrollDown(device);
    document.querySelector(`[data-record="${key}"]`).replaceChildren(...parse(pieces.record).body.childNodes);
  }
});

function scrollDown(device) {
  const scroller = device.querySelector(".scroller");
  scroller.scrollTop = scroller.scrollHeight;
}

for (const device of document.querySelectorAll("[data-phone]")) {
  const lines = device.querySelector(".lines");
  setUpCompose(device, look, { list: () => lines, extra: () => ({}), scrollDown: () => scrollDown(device) });
}
start(look);
