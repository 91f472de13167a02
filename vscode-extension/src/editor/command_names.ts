// SPDX-License-Identifier: Apache-2.0

/** The commands of the manifest. A test holds the two together. */
export const COMMANDS = {
  runAgent: "bbox.runAgent",
  attachSession: "bbox.attachSession",
  stopSession: "bbox.stopSession",
  showTerminal: "bbox.showTerminal",
  openChange: "bbox.openChange",
  openAllChanges: "bbox.openAllChanges",
  acceptHunk: "bbox.acceptHunk",
  rejectHunk: "bbox.rejectHunk",
  takeBackHunk: "bbox.takeBackHunk",
  acceptChange: "bbox.acceptChange",
  rejectChange: "bbox.rejectChange",
  takeBackChange: "bbox.takeBackChange",
  acceptAll: "bbox.acceptAll",
  undoDecision: "bbox.undoDecision",
  applyAccepted: "bbox.applyAccepted",
  undoApply: "bbox.undoApply",
  showLog: "bbox.showLog",
} as const;

/** A function for every command: one that is missing does not compile. */
export type CommandHandlers = Readonly<
  Record<keyof typeof COMMANDS, (argument: unknown) => Promise<void>>
>;
