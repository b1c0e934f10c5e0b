// Tokens with their probabilities: what the API's `logprobs` say, as pieces of the text, and as elements.

import { el, percent } from "/page/dom.js";

const LEVELS = [0.9, 0.5, 0.2, 0.05]; // a token with less than the first is colored, with less than the last most
const END = /^(<\|[^|]*\|>|<\/?[a-z_]+>)$/i; // how tokens are written that end an answer and are no part of its text

/**
 * Makes pieces {text, token, probability, alternatives} of tokens as they come; their texts are together the answer's.
 *
 * A character that several tokens share is one piece with the probability of them all. Tokens that are not in the text,
 * such as those of reasoning, are left out, but for the one that ended the answer, whose text is "".
 */
export class TokenReader {
  constructor() {
    this.decoder = new TextDecoder();
    this.waiting = []; // tokens whose text has not come: a stream holds back what may be the beginning of a stop string
    this.shared = 1; // the probability of the tokens so far of a character that is not whole
    this.place = 0;
  }

  /** Return the next pieces: `entries` are more tokens, `text` is all that has come; with `last` no more comes. */
  read(entries, text, last = false) {
    this.waiting.push(...entries.map((entry) => this.whole(entry)).filter(Boolean));
    const found = [];
    while (this.waiting.length) {
      const part = this.textOf(this.waiting[0], text);
      const isInText = part !== "" && text.startsWith(part, this.place);
      if (!isInText && !last && part.startsWith(text.slice(this.place))) break;
      const token = this.waiting.shift();
      if (isInText || (last && !this.waiting.length)) found.push({ ...token.facts, text: isInText ? part : "" });
      if (isInText) this.place += part.length;
    }
    if (last && found.length) found.at(-1).text += text.slice(this.place);
    return found;
  }

  /** Return a token with its text, or `null` if its character ends in a later one. */
  whole(entry) {
    const written = entry.bytes ? this.decoder.decode(Uint8Array.from(entry.bytes), { stream: true }) : entry.token;
    const probability = this.shared * Math.exp(entry.logprob);
    const isPart = written === "" && entry.bytes?.length > 0;
    this.shared = isPart ? probability : 1;
    return isPart ? null : { written, facts: { token: entry.token, probability, alternatives: alternatives(entry) } };
  }

  /** Return the text of a token; of the first without the space before it, if the answer does not have it. */
  textOf({ written }, text) {
    return this.place || text.startsWith(written) || written.startsWith(text) ? written : written.trimStart();
  }
}

const alternatives = (entry) =>
  (entry.top_logprobs ?? []).map((other) => ({ token: other.token, probability: Math.exp(other.logprob) }));

/** Return whether a token is only a part of a character, so that no text can end with it. */
export const isPartial = (token) => token.startsWith("bytes:") || token.includes("\uFFFD");

export const level = (probability) => LEVELS.filter((limit) => probability < limit).length;

export const isEnd = (token) => END.test(token);

/** Return a token's text so that white space can be seen. */
export function visible(token) {
  if (isEnd(token)) return "the answer ends";
  return token.replaceAll("\n", "⏎").replaceAll("\t", "⇥").replace(/^ | $/g, "␣") || "nothing";
}

/** Return the element of a piece; the first of an answer has the tab stop. */
export function tokenElement(piece, isFirst) {
  const note = `${visible(piece.text || piece.token)}, ${percent(piece.probability)}`;
  const classes = `token level-${level(piece.probability)}${piece.text ? "" : " end"}`;
  const properties = { class: classes, role: "button", tabindex: isFirst ? 0 : -1, title: note, "aria-label": note };
  return el("span", properties, piece.text || "■");
}

/** Call `choose(index)` for the token in `body` that is clicked; the arrow keys go from one to the next. */
export function listenToTokens(body, choose) {
  const indexOf = (event) => [...body.children].indexOf(event.target);
  body.addEventListener("click", (event) => indexOf(event) >= 0 && choose(indexOf(event)));
  body.addEventListener("keydown", (event) => {
    const index = indexOf(event);
    if (index < 0) return;
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (step) focusOne([...body.children], index + step);
    else if (event.key === "Enter" || event.key === " ") choose(index);
    else return;
    event.preventDefault();
  });
}

function focusOne(elements, index) {
  const next = elements[Math.min(Math.max(index, 0), elements.length - 1)];
  for (const element of elements) element.tabIndex = element === next ? 0 : -1;
  next.focus();
}

/** Return the legend of the colors. */
export function legend() {
  const names = ["90 % or more", "50 to 90 %", "20 to 50 %", "5 to 20 %", "less than 5 %"];
  const entries = names.map((name, index) => el("span", { class: `token level-${index}` }, name));
  return el("p", { class: "legend", "aria-hidden": "true" }, "Probability of each token: ", ...entries);
}
