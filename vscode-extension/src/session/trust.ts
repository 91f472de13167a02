// SPDX-License-Identifier: Apache-2.0
import type { TrustMessage } from "../wire/messages.js";

/** What is asked before a run; undefined if there is nothing to ask, or it was asked already. */
export function trustQuestion(found: TrustMessage): string | undefined {
  const isOpen = found.decision === undefined && found.digest !== undefined;
  return isOpen && found.widening.length > 0 ? found.widening.join("\n") : undefined;
}
