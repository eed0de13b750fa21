/** What a text would cost as an SMS, while it is written. The server's count is authoritative (domain/messages/segments.py). */

const BASIC = new Set(
  "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿" +
    "abcdefghijklmnopqrstuvwxyzäöñüà",
);
const EXTENDED = new Set("\f^{}\\[~]|€");
const graphemes = globalThis.Intl?.Segmenter ? new Intl.Segmenter(undefined, { granularity: "grapheme" }) : null;

/** The encoding ("GSM-7" or "UCS-2"), the number of billed segments, and the space left in the last one. */
export function measure(text) {
  const marks = [...text];
  if (marks.every((mark) => BASIC.has(mark) || EXTENDED.has(mark))) {
    return count("GSM-7", marks.map((mark) => (EXTENDED.has(mark) ? 2 : 1)), 160, 153);
  }
  const whole = graphemes ? Array.from(graphemes.segment(text), (part) => part.segment) : marks;
  return count("UCS-2", whole.flatMap((mark) => (mark === "\r\n" ? [1, 1] : [mark.length])), 70, 67);
}

function count(encoding, sizes, one, many) {
  const total = sizes.reduce((sum, size) => sum + size, 0);
  if (total <= one) return { encoding, segments: 1, left: one - total };
  let segments = 1;
  let left = many;
  for (const size of sizes) {
    if (size > left) {
      segments += 1;
      left = many;
    }
    left -= size;
  }
  return { encoding, segments, left };
}
