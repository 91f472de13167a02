// SPDX-License-Identifier: Apache-2.0
import { ResponseError } from "vscode-jsonrpc/node";

import type { FailureMessage } from "../wire/messages.js";

/** What the user should read about an error. */
export function explain(error: unknown): string {
  const failure = failureOf(error);
  if (failure !== undefined) {
    return [failure.message, failure.cause, failure.remediation]
      .filter((part) => part !== "")
      .join(" ");
  }
  return error instanceof Error ? error.message : String(error);
}

/** The failure that the server answered, if it is one (protocol.md, Errors). */
export function failureOf(error: unknown): FailureMessage | undefined {
  if (!(error instanceof ResponseError)) {
    return undefined;
  }
  const data: unknown = error.data;
  const failure = isObject(data) && isObject(data["failure"]) ? data["failure"] : data;
  return isFailure(failure) ? failure : undefined;
}

function isFailure(value: unknown): value is FailureMessage {
  return (
    isObject(value) &&
    ["code", "message", "cause", "remediation"].every((key) => typeof value[key] === "string")
  );
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
