// SPDX-License-Identifier: Apache-2.0

/**
 * A question to the terminal that only we can ask: is a character protected (DECRQSS, DECSCA)?
 *
 * It is answered when the terminal comes to it, so everything before it is drawn then. What the
 * guest prints has no device control strings (docs/adr/0011), so no answer is the guest's.
 */
export const QUESTION = '\x1bP$q"q\x1b\\';

const ANSWER = /\x1bP[01]\$r[^\x1b]{0,16}\x1b\\/g;

const INCOMPLETE = /\x1b(?:\[[ -?]{0,256}|[()]|\][^\x07\x1b]{0,256}\x1b?)?$/;

/** Output in two parts: what can be followed by the question, and the begin of a sequence. */
export function cutSequence(text: string): readonly [whole: string, rest: string] {
  const at = INCOMPLETE.exec(text)?.index ?? text.length;
  return [text.slice(0, at), text.slice(at)];
}

/** Input without answers to the question, and whether there was one. */
export function takeAnswers(input: string): { readonly typed: string; readonly isAnswer: boolean } {
  const typed = input.replaceAll(ANSWER, "");
  return { typed, isAnswer: typed.length < input.length };
}

/** Whether the bell rings in output that is cut between sequences: titles end with it as well. */
export function hasBell(text: string): boolean {
  return text.replaceAll(/\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)/g, "").includes("\x07");
}
