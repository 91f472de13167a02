// SPDX-License-Identifier: Apache-2.0
// Generated from bbox_server/wire by `make docs`; do not edit.

import type {
  AgentsMessage,
  ChangeDetail,
  ChangeParams,
  ChangesListParams,
  ChangesPage,
  DecideParams,
  DoctorMessage,
  Done,
  DraftMessage,
  EditParams,
  EventMessage,
  FileContent,
  FileReadParams,
  FlushApplyParams,
  FlushMessage,
  FlushPlanParams,
  FlushUndoParams,
  ForwardMessage,
  ForwardParams,
  LogMessage,
  NetworkAnswerParams,
  NetworkQuestions,
  NetworkRulesMessage,
  NoParams,
  PlanMessage,
  Reviewed,
  RunParams,
  SessionLost,
  SessionMessage,
  SessionParams,
  SessionsListParams,
  SessionsMessage,
  StopParams,
  SubscribeParams,
  TerminalAckParams,
  TerminalCloseParams,
  TerminalData,
  TerminalEnded,
  TerminalInputParams,
  TerminalOpenParams,
  TerminalOpened,
  TerminalResizeParams,
  TrustDecideParams,
  TrustMessage,
  TrustParams,
  UnsubscribeParams,
} from "./messages.js";

export const PROTOCOL_VERSION = 1;

/** Requests: params and result by method. */
export interface Requests {
  readonly "bbox/agents/list": { readonly params: NoParams; readonly result: AgentsMessage };
  readonly "bbox/run": { readonly params: RunParams; readonly result: SessionMessage };
  readonly "bbox/sessions/list": { readonly params: SessionsListParams; readonly result: SessionsMessage };
  readonly "bbox/sessions/get": { readonly params: SessionParams; readonly result: SessionMessage };
  readonly "bbox/sessions/log": { readonly params: SessionParams; readonly result: LogMessage };
  readonly "bbox/sessions/stop": { readonly params: StopParams; readonly result: SessionMessage };
  readonly "bbox/sessions/discard": { readonly params: SessionParams; readonly result: Done };
  readonly "bbox/subscribe": { readonly params: SubscribeParams; readonly result: Done };
  readonly "bbox/unsubscribe": { readonly params: UnsubscribeParams; readonly result: Done };
  readonly "bbox/terminal/open": { readonly params: TerminalOpenParams; readonly result: TerminalOpened };
  readonly "bbox/terminal/input": { readonly params: TerminalInputParams; readonly result: Done };
  readonly "bbox/terminal/resize": { readonly params: TerminalResizeParams; readonly result: Done };
  readonly "bbox/terminal/ack": { readonly params: TerminalAckParams; readonly result: Done };
  readonly "bbox/terminal/close": { readonly params: TerminalCloseParams; readonly result: Done };
  readonly "bbox/changes/list": { readonly params: ChangesListParams; readonly result: ChangesPage };
  readonly "bbox/changes/get": { readonly params: ChangeParams; readonly result: ChangeDetail };
  readonly "bbox/file/read": { readonly params: FileReadParams; readonly result: FileContent };
  readonly "bbox/review/decide": { readonly params: DecideParams; readonly result: Reviewed };
  readonly "bbox/review/draft": { readonly params: ChangeParams; readonly result: DraftMessage };
  readonly "bbox/review/edit": { readonly params: EditParams; readonly result: Reviewed };
  readonly "bbox/review/undo": { readonly params: SessionParams; readonly result: Reviewed };
  readonly "bbox/flush/plan": { readonly params: FlushPlanParams; readonly result: PlanMessage };
  readonly "bbox/flush/apply": { readonly params: FlushApplyParams; readonly result: FlushMessage };
  readonly "bbox/flush/undo": { readonly params: FlushUndoParams; readonly result: FlushMessage };
  readonly "bbox/flush/forward": { readonly params: ForwardParams; readonly result: ForwardMessage };
  readonly "bbox/network/list": { readonly params: SessionParams; readonly result: NetworkQuestions };
  readonly "bbox/network/answer": { readonly params: NetworkAnswerParams; readonly result: Done };
  readonly "bbox/network/rules": { readonly params: SessionParams; readonly result: NetworkRulesMessage };
  readonly "bbox/trust/get": { readonly params: TrustParams; readonly result: TrustMessage };
  readonly "bbox/trust/decide": { readonly params: TrustDecideParams; readonly result: TrustMessage };
  readonly "bbox/doctor": { readonly params: NoParams; readonly result: DoctorMessage };
}

/** What the server tells unasked. */
export interface Notifications {
  readonly "bbox/event": EventMessage;
  readonly "bbox/terminal/data": TerminalData;
  readonly "bbox/terminal/ended": TerminalEnded;
  readonly "bbox/session/lost": SessionLost;
}
