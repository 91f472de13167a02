// SPDX-License-Identifier: Apache-2.0
import type { LogMessage } from "../wire/messages.js";

/** A session's log for people: a line for each event, then the guest's console. */
export function logText(log: LogMessage): string {
  const events = log.events.map(({ ts, kind, fields }) => {
    const at = new Date(ts * 1000).toLocaleTimeString();
    const facts = Object.entries(fields)
      .filter(([, value]) => value !== null && value !== "" && value !== 0)
      .map(([name, value]) => `${name}=${String(value).replaceAll(/\p{Cc}+/gu, " ")}`);
    return [at, kind.padEnd(16), ...facts].join("  ").trimEnd();
  });
  const trace = log.trace === undefined ? [] : ["", `Trace: ${log.trace}`];
  const console = log.console === "" ? [] : ["", "The guest's console:", "", log.console];
  return [`Session ${log.session}`, "", ...events, ...trace, ...console].join("\n");
}
