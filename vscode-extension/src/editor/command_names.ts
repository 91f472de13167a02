// SPDX-License-Identifier: Apache-2.0

/** The commands of the manifest. A test holds the two together. */
export const COMMANDS = {
  runAgent: "bbox.runAgent",
  runAgain: "bbox.runAgain",
  runWithOptions: "bbox.runWithOptions",
  attachSession: "bbox.attachSession",
  stopSession: "bbox.stopSession",
  discardSession: "bbox.discardSession",
  closeSession: "bbox.closeSession",
  refreshSessions: "bbox.refreshSessions",
  showSessionLog: "bbox.showSessionLog",
  copyDiagnostics: "bbox.copyDiagnostics",
  checkMachine: "bbox.checkMachine",
  showTerminal: "bbox.showTerminal",
  openChange: "bbox.openChange",
  openAllChanges: "bbox.openAllChanges",
  nextUndecided: "bbox.nextUndecided",
  previousUndecided: "bbox.previousUndecided",
  acceptHunk: "bbox.acceptHunk",
  rejectHunk: "bbox.rejectHunk",
  takeBackHunk: "bbox.takeBackHunk",
  editChange: "bbox.editChange",
  acceptChange: "bbox.acceptChange",
  rejectChange: "bbox.rejectChange",
  takeBackChange: "bbox.takeBackChange",
  acceptAll: "bbox.acceptAll",
  rejectAll: "bbox.rejectAll",
  undoDecision: "bbox.undoDecision",
  applyAccepted: "bbox.applyAccepted",
  undoApply: "bbox.undoApply",
  showLog: "bbox.showLog",
} as const;

/** A function for every command: one that is missing does not compile. */
export type CommandHandlers = Readonly<
  Record<keyof typeof COMMANDS, (...argument: readonly unknown[]) => Promise<void>>
>;
