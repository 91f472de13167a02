// SPDX-License-Identifier: Apache-2.0
import type { EgressProfile, RunOptions, RunParams } from "../wire/messages.js";

/** What the user chose to run; the folder and the terminal come with each run. */
export interface RunChoice {
  readonly agent?: string;
  readonly image?: string;
  readonly args?: readonly string[];
  readonly options?: RunOptions;
}

/** What the user may say of a run, as it was typed; empty is the agent's default. */
export interface TypedOptions {
  readonly cpus: string;
  readonly memoryMib: string;
  readonly egressProfile: EgressProfile | "";
}

/** The params of a run. */
export function paramsOf(
  choice: RunChoice,
  workspaceUri: string,
  terminal: NonNullable<RunParams["terminal"]>,
): RunParams {
  return { workspaceUri, ...choice, terminal };
}

/** A part of a word: in single quotes, in double quotes, a character after `\`, or plain. */
const PART = /'([^']*)'|"((?:\\.|[^"\\])*)"|\\(.)|([^\s'"\\]+)/gs;
const WORD = new RegExp(`(?:${PART.source})+`, "gs");

/** Words of a command line, quoted as in a shell; undefined if a quote is not closed. */
export function wordsOf(line: string): readonly string[] | undefined {
  const words = line.match(WORD) ?? [];
  const isWhole = line.replaceAll(WORD, "").trim() === "";
  return isWhole ? words.map(unquoted) : undefined;
}

function unquoted(word: string): string {
  return word.replaceAll(
    PART,
    (_, single?: string, double?: string, escaped?: string, plain?: string) =>
      single ?? double?.replaceAll(/\\(.)/gs, "$1") ?? escaped ?? plain ?? "",
  );
}

/** What was typed as options. */
export function optionsOf(typed: TypedOptions): RunOptions {
  return {
    ...(typed.cpus === "" ? {} : { cpus: Number(typed.cpus) }),
    ...(typed.memoryMib === "" ? {} : { memoryMib: Number(typed.memoryMib) }),
    ...(typed.egressProfile === "" ? {} : { egressProfile: typed.egressProfile }),
  };
}

/** Why a number can't be taken; undefined if it can, or is left out. */
export function numberFault(text: string): string | undefined {
  return text === "" || /^[1-9]\d{0,6}$/.test(text)
    ? undefined
    : "A whole number greater than 0, or nothing for the default.";
}

/** A remembered choice, if it is one: another version may have written it. */
export function rememberedChoice(value: unknown): RunChoice | undefined {
  if (typeof value !== "object" || value === null) {
    return undefined;
  }
  const { agent, image, args, options } = value as Readonly<Record<string, unknown>>;
  const isOne = isName(agent) !== isName(image);
  const areWords = args === undefined || areStrings(args);
  const areOptions = options === undefined || typeof options === "object";
  return isOne && areWords && areOptions ? value : undefined;
}

/** How a choice is named. */
export function choiceName(choice: RunChoice): string {
  return [choice.agent ?? choice.image ?? "", ...(choice.args ?? [])].join(" ");
}

function isName(value: unknown): boolean {
  return typeof value === "string" && value !== "";
}

function areStrings(value: unknown): boolean {
  return Array.isArray(value) && value.every((word) => typeof word === "string");
}
