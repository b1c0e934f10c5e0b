// Spans in a text. The server counts code points, as Python does; JavaScript's strings count UTF-16 units.

import { el } from "/page/dom.js";

/** Return a function from an offset in code points to the one in UTF-16 units of the same text. */
export function utf16Offsets(text) {
  const places = [];
  let place = 0;
  for (const point of text) {
    if (point.length === 2) places.push(place);
    place += 1;
  }
  if (!places.length) return (offset) => offset;
  return (offset) => offset + countBelow(places, offset);
}

/** Return how many of the ascending numbers are smaller than a limit. */
function countBelow(numbers, limit) {
  let [low, high] = [0, numbers.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (numbers[middle] < limit) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * Return the text as nodes, with the spans marked.
 *
 * A span is {start, end, kind, note, id}: offsets in code points; `kind` is the class of its mark; `note` is shown
 * behind its end, and is no part of the text; the element at its start has the `id`. Spans may overlap: a piece is in all marks that cover it.
 */
export function markedText(text, spans) {
  const toUnits = utf16Offsets(text);
  const marks = spans.map((span) => ({ ...span, start: toUnits(span.start), end: toUnits(span.end) }));
  const borders = new Set([0, text.length]);
  for (const mark of marks) borders.add(mark.start).add(mark.end);
  const ordered = [...borders].filter((border) => border >= 0 && border <= text.length).sort((a, b) => a - b);
  const nodes = [];
  for (let index = 0; index + 1 < ordered.length; index += 1) {
    nodes.push(piece(text, ordered[index], ordered[index + 1], marks));
  }
  return nodes;
}

function piece(text, start, end, marks) {
  const covering = marks.filter((mark) => mark.start <= start && mark.end >= end);
  if (!covering.length) return document.createTextNode(text.slice(start, end));
  const first = covering.find((mark) => mark.start === start && mark.id);
  const classes = [...new Set(covering.map((mark) => mark.kind))].join(" ");
  const notes = covering.filter((mark) => mark.end === end && mark.note).map((mark) => mark.note).join(", ");
  const properties = { class: classes, id: first?.id, tabindex: first ? -1 : null, "data-note": notes || null };
  return el("mark", properties, text.slice(start, end));
}
