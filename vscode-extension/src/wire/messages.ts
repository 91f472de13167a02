// SPDX-License-Identifier: Apache-2.0
// Generated from bbox_server/wire by `make docs`; do not edit.

/** What the user's config wants when the agent has ended; an option of the run wins. */
export type AfterRun = "ask" | "review" | "apply";

/** An agent; `missing` says what has to be got, or put right, before it can run. */
export interface AgentMessage {
  readonly name: string;
  readonly description: string;
  readonly image: string;
  readonly source: AgentSource;
  readonly available: boolean;
  readonly missing: readonly string[];
}

/** Where an agent is defined. */
export type AgentSource = "built-in" | "config" | "library";

/** The agents, by name. */
export interface AgentsMessage {
  readonly agents: readonly AgentMessage[];
}

/**
 * What the user says.
 *
 * once: what waits now, and what follows within a minute; session: until the session ends;
 * always: in every later session too; deny: not in this session, and without another question.
 */
export type Answer = "once" | "session" | "always" | "deny";

/**
 * A branch with new commits, newest first; a flush fetches it to `ref`.
 *
 * `repository` is the work tree's directory in the workspace. `taken` says that the user's
 * repository has it, `failure` why it can't be brought.
 */
export interface BranchMessage {
  readonly repository: string;
  readonly name: string;
  readonly tip: string;
  readonly ref: string;
  readonly commits: readonly CommitMessage[];
  readonly commitCount: number;
  readonly taken: boolean;
  readonly failure?: string;
}

/** One change with its hunks. */
export interface ChangeDetail {
  readonly session: string;
  readonly revision: number;
  readonly change: ChangeMessage;
}

/** How a path differs. */
export type ChangeKind = "added" | "modified" | "deleted" | "renamed" | "mode" | "typeChange" | "symlink" | "directory" | "special" | "bulk";

/**
 * One differing path, with what is decided about it.
 *
 * `added` and `removed` count lines, where there are hunks. A list may leave `hunks` out; then
 * `hunkCount` says how many there are. `conflict` is how what is not rejected would meet the
 * workspace as it is now.
 */
export interface ChangeMessage {
  readonly id: string;
  readonly path: string;
  readonly kind: ChangeKind;
  readonly tier: Tier;
  readonly verdict: Verdict;
  readonly oldPath?: string;
  readonly baseline?: SideMessage;
  readonly agent?: SideMessage;
  readonly conflict: ConflictState;
  readonly withheld?: WithheldReason;
  readonly reason?: string;
  readonly notes: readonly Note[];
  readonly failure?: string;
  readonly bulkCount?: number;
  readonly added?: number;
  readonly removed?: number;
  readonly hunkCount: number;
  readonly hunks: readonly HunkMessage[];
}

/** One change. */
export interface ChangeParams {
  readonly session: string;
  readonly change: string;
}

/** Changes in the order of their paths. `cursor` is the last page's; hunks only if wanted. */
export interface ChangesListParams {
  readonly session: string;
  readonly cursor?: string;
  readonly limit?: number;
  readonly withHunks?: boolean;
}

/** A page of changes; the last one has no `nextCursor`, the first one all `branches`. */
export interface ChangesPage {
  readonly session: string;
  readonly revision: number;
  readonly changes: readonly ChangeMessage[];
  readonly branches: readonly BranchMessage[];
  readonly nextCursor?: string;
}

/** One finding of `bbox doctor`. */
export interface CheckMessage {
  readonly name: string;
  readonly status: CheckStatus;
  readonly detail: string;
  readonly remediation?: string;
}

/** `warning` runs, but worse; `failed` does not run. */
export type CheckStatus = "ok" | "warning" | "failed";

/** A path that a commit touches; `status` is git's letter for how (A, D, M, T). */
export interface CommitFileMessage {
  readonly status: string;
  readonly path: string;
}

/** A commit of the agent's. `fileCount` counts all files, of which the first are listed. */
export interface CommitMessage {
  readonly id: string;
  readonly subject: string;
  readonly author: string;
  readonly email: string;
  readonly at: number;
  readonly files: readonly CommitFileMessage[];
  readonly fileCount: number;
}

/** An accepted path that can't be applied as things are. */
export interface ConflictMessage {
  readonly change: string;
  readonly path: string;
  readonly reason: ConflictReason;
}

/** Why an accepted change can't be applied to the workspace as it is now. */
export type ConflictReason = "changedBoth" | "addedBoth" | "deletedHere" | "changedHere" | "typeDiffers" | "parentIsLink" | "parentIsNoDirectory" | "notEmpty" | "unreadable" | "unsaved";

/** How a change would meet the workspace as it is now, but for what is rejected of it. */
export type ConflictState = "none" | "mergeable" | "conflicting";

/** The verdicts that can be set. */
export type DecidableVerdict = "undecided" | "accepted" | "rejected";

/**
 * All decisions are made, or none.
 *
 * `revision` is that of the list which they were made on; `confirmed` names the build files that
 * the user was shown before several changes are accepted at once.
 */
export interface DecideParams {
  readonly session: string;
  readonly revision: number;
  readonly decisions: readonly DecisionMessage[];
  readonly confirmed?: readonly string[];
}

/** A verdict on a change, or on one of its hunks. */
export interface DecisionMessage {
  readonly change: string;
  readonly verdict: DecidableVerdict;
  readonly hunk?: string;
}

/** All findings; `ready` says whether an agent can run here. */
export interface DoctorMessage {
  readonly ready: boolean;
  readonly checks: readonly CheckMessage[];
}

/** Nothing to answer but that it is done. */
export type Done = Readonly<Record<string, never>>;

/**
 * The text (base64) that an edit of a change begins with: all that is not rejected of it.
 *
 * Where the user has changed the file too it is merged with that, and `conflicts` counts the
 * places that are marked as git marks them. `baseHash` goes with the edit.
 */
export interface DraftMessage {
  readonly session: string;
  readonly change: string;
  readonly baseHash: string;
  readonly data: string;
  readonly conflicts: number;
}

/** The user's own text (base64) as a change's result; `baseHash` is what was edited. */
export interface EditParams {
  readonly session: string;
  readonly change: string;
  readonly baseHash: string;
  readonly data: string;
}

/**
 * How much of the network the guest may reach (compat EGR-01).
 *
 * permissive: any name and public address; standard: the agent's providers and what developers
 * need; locked: the agent's providers alone. None of them reaches private addresses.
 */
export type EgressProfile = "permissive" | "standard" | "locked";

/** What a path is on one side. */
export type EntryKind = "file" | "directory" | "symlink" | "special";

/**
 * Kinds of `bbox/event` (protocol.md, Events).
 *
 * RESYNC takes the place of what a slow client missed, and is never stored: lists are to be
 * asked for again.
 */
export type EventKind = "session.state" | "progress" | "changes" | "review" | "flush" | "network.blocked" | "network.open" | "network.close" | "network.ask" | "network.answered" | "credential.used" | "resource" | "warning" | "closed" | "resync";

/** One thing that happened. `ts` is in seconds since the epoch; `fields` depend on the kind. */
export interface EventMessage {
  readonly session: string;
  readonly seq: number;
  readonly ts: number;
  readonly kind: EventKind;
  readonly fields: Readonly<Record<string, string | number | boolean | null>>;
}

/** How the agent ended. */
export interface ExitMessage {
  readonly code?: number;
  readonly signal?: string;
  readonly outOfMemory: boolean;
}

/** The one shape of a failure. */
export interface FailureMessage {
  readonly code: string;
  readonly message: string;
  readonly cause: string;
  readonly remediation: string;
  readonly retry: Retry;
}

/**
 * A content in base64, empty where there is no file on that side.
 *
 * `size` is that of the whole content, also where `data` is the part that was asked for.
 * `tooLarge` takes the place of a content of more than 16 MiB.
 */
export interface FileContent {
  readonly session: string;
  readonly side: Side;
  readonly path: string;
  readonly data: string;
  readonly size: number;
  readonly entry?: SideMessage;
  readonly tooLarge: boolean;
}

/** A changed path's content on one side, or a part; of the workspace read the file itself. */
export interface FileReadParams {
  readonly session: string;
  readonly side: Side;
  readonly path: string;
  readonly range?: RangeMessage;
}

/** Apply the plan that was shown, and that was made with these unsaved paths. */
export interface FlushApplyParams {
  readonly session: string;
  readonly planHash: string;
  readonly unsaved?: readonly string[];
}

/** What a flush is for. */
export type FlushKind = "flush" | "undo";

/** What a flush or an undo did. */
export interface FlushMessage {
  readonly session: string;
  readonly flush: number;
  readonly kind: FlushKind;
  readonly results: readonly ResultMessage[];
  readonly refs: readonly RefMessage[];
}

/** What a flush would do. `unsaved` are paths whose newest text is in an editor only. */
export interface FlushPlanParams {
  readonly session: string;
  readonly unsaved?: readonly string[];
}

/** Take a flush back; the last one if none is named. */
export interface FlushUndoParams {
  readonly session: string;
  readonly flush?: number;
}

/** The branches that were moved, or why one was not. */
export interface ForwardMessage {
  readonly session: string;
  readonly refs: readonly RefMessage[];
}

/** Move the user's branches forward to the commits that a flush fetched; no file changes. */
export interface ForwardParams {
  readonly session: string;
  readonly flush: number;
}

/** Gracefully: the agent and the guest get time to end. */
export type HowToStop = "graceful" | "now";

/** A part of a change that is decided on its own. `diff` are its lines as a unified diff. */
export interface HunkMessage {
  readonly id: string;
  readonly header: string;
  readonly oldStart: number;
  readonly oldLines: number;
  readonly newStart: number;
  readonly newLines: number;
  readonly verdict: Verdict;
  readonly diff: string;
}

/** Over LSP: `initializationOptions.bbox`. Over the session API: params of `initialize`. */
export interface InitializeParams {
  readonly protocolVersion: number;
}

/** Over LSP: `capabilities.experimental.bbox`. */
export interface InitializeResult {
  readonly protocolVersion: number;
  readonly version: string;
}

/**
 * What a session left to read: its newest events, oldest first, and the guest's console.
 *
 * `trace` is a file of OpenTelemetry spans on this machine, where one was written.
 */
export interface LogMessage {
  readonly session: string;
  readonly events: readonly EventMessage[];
  readonly console: string;
  readonly trace?: string;
}

/**
 * Allow or refuse a name and port, asked for or not; effective at once.
 *
 * `once` is for what waits and what follows within a minute, `session` until the session ends;
 * `always` is written to the user's config as well.
 */
export interface NetworkAnswerParams {
  readonly session: string;
  readonly host: string;
  readonly port: number;
  readonly answer: Answer;
}

/** What waits for an answer now, oldest first. */
export interface NetworkQuestions {
  readonly session: string;
  readonly questions: readonly QuestionMessage[];
}

/** What the session began with, and what the user added since. */
export interface NetworkRulesMessage {
  readonly session: string;
  readonly profile: EgressProfile;
  readonly rules: readonly RuleMessage[];
  readonly added: readonly RuleMessage[];
}

/** Nothing to say; an object all the same. */
export type NoParams = Readonly<Record<string, never>>;

/** What a user should see beside a change, whatever its tier. */
export type Note = "becomesExecutable" | "lineEndings" | "byteOrderMark" | "finalNewline" | "notUtf8";

/** What is done to a path. */
export type OperationKind = "mkdir" | "write" | "symlink" | "chmod" | "delete" | "rmdir";

/** One step of a flush. */
export interface OperationMessage {
  readonly change: string;
  readonly path: string;
  readonly kind: OperationKind;
  readonly merged: boolean;
}

/** Where a command's output goes; a PTY has one only. */
export type OutputStream = "output" | "error";

/**
 * What a flush would do; `plan_hash` names exactly this.
 *
 * `hardLinked` are files with other names, which keep the old content; `branches` are fetched,
 * their commits are in the list of changes.
 */
export interface PlanMessage {
  readonly session: string;
  readonly planHash: string;
  readonly operations: readonly OperationMessage[];
  readonly conflicts: readonly ConflictMessage[];
  readonly skipped: readonly SkippedMessage[];
  readonly hardLinked: readonly string[];
  readonly branches: readonly BranchMessage[];
}

/** When a registry is asked although a local image could do. */
export type PullPolicy = "always" | "background" | "if-not-present" | "never";

/** A name and a port that the guest waits for. The name is the guest's word, never a link. */
export interface QuestionMessage {
  readonly host: string;
  readonly port: number;
}

/** A part of a content, in bytes; what is beyond its end is left out. */
export interface RangeMessage {
  readonly start: number;
  readonly length: number;
}

/**
 * What was done to a ref of the user's repository.
 *
 * `branch` is the user's branch that `bbox/flush/forward` can move to it.
 */
export interface RefMessage {
  readonly repository: string;
  readonly ref: string;
  readonly before?: string;
  readonly after?: string;
  readonly branch?: string;
  readonly failure?: string;
}

/** What became of one operation. */
export type ResultKind = "applied" | "changedMeanwhile" | "failed" | "notEmpty" | "rolledBack";

/** What became of one path. */
export interface ResultMessage {
  readonly change: string;
  readonly path: string;
  readonly kind: OperationKind;
  readonly result: ResultKind;
  readonly detail?: string;
}

/** Whether a repeat of the failed action is safe and can help. */
export type Retry = "retry" | "fix" | "unknown";

/** The changes whose verdicts are other ones now. */
export interface Reviewed {
  readonly session: string;
  readonly revision: number;
  readonly changes: readonly ChangeMessage[];
}

/** A name, or `*.` and a name; without ports 443 and 80. */
export interface RuleMessage {
  readonly host: string;
  readonly ports: readonly number[];
}

/**
 * How to run; what is left out is the agent's default.
 *
 * `ports` are HOST:GUEST, and lead from this machine's 127.0.0.1 into the guest. `services` are
 * for the guest, beside those of the user's config.
 */
export interface RunOptions {
  readonly cpus?: number;
  readonly memoryMib?: number;
  readonly tmpSizeMib?: number;
  readonly egressProfile?: EgressProfile;
  readonly allowHosts?: readonly string[];
  readonly excludes?: readonly string[];
  readonly ports?: readonly string[];
  readonly services?: readonly ServiceMessage[];
  readonly envForward?: readonly string[];
  readonly program?: string;
  readonly ask?: boolean;
  readonly configFile?: string;
  readonly gitToken?: boolean;
  readonly gitSshAgent?: boolean;
  readonly saveLogin?: boolean;
  readonly seedLogin?: boolean;
  readonly logIn?: boolean;
  readonly trace?: boolean;
  readonly workspaceMode?: WorkspaceMode;
  readonly acknowledgeDirect?: boolean;
  readonly importSettings?: boolean;
  readonly pull?: PullPolicy;
  readonly imageCache?: boolean;
  readonly name?: string;
}

/**
 * Start an agent, or `args` in any image, on a workspace (file: URI).
 *
 * Without `terminal` the agent runs on pipes, as in a script.
 */
export interface RunParams {
  readonly workspaceUri: string;
  readonly agent?: string;
  readonly image?: string;
  readonly args?: readonly string[];
  readonly options?: RunOptions;
  readonly terminal?: TerminalSizeMessage;
}

/**
 * An HTTP service at a port of this machine's 127.0.0.1.
 *
 * The guest finds it at http://NAME.bbox.internal:PORT.
 */
export interface ServiceMessage {
  readonly name: string;
  readonly port: number;
}

/**
 * The session's host was killed, and its microVM with it. The agent's files are kept.
 *
 * Any request on the session starts another host, which goes to the review.
 */
export interface SessionLost {
  readonly session: string;
}

/** A session's summary. Times are seconds since the epoch. */
export interface SessionMessage {
  readonly id: string;
  readonly state: SessionState;
  readonly agent: string;
  readonly workspace: string;
  readonly image: string;
  readonly command: readonly string[];
  readonly createdAt: number;
  readonly running: boolean;
  readonly generation?: string;
  readonly exit?: ExitMessage;
  readonly failure?: FailureMessage;
  readonly after: AfterRun;
}

/** One session. */
export interface SessionParams {
  readonly session: string;
}

/** Each is on disk before it is announced (architecture.md, one run in order). */
export type SessionState = "created" | "preparing" | "starting" | "running" | "stopping" | "reviewing" | "flushing" | "done" | "failed" | "discarded";

/** Sessions of one workspace (file: URI) or of all; the ended ones only if wanted. */
export interface SessionsListParams {
  readonly workspaceUri?: string;
  readonly endedToo?: boolean;
}

/** A list of sessions, newest first. */
export interface SessionsMessage {
  readonly sessions: readonly SessionMessage[];
}

/** The four contents that a path can have during a review (protocol.md). */
export type Side = "baseline" | "agent" | "result" | "workspace";

/** What a path is on one side. */
export interface SideMessage {
  readonly kind: EntryKind;
  readonly mode: number;
  readonly size: number;
  readonly hash?: string;
  readonly linkTarget?: string;
}

/** Why an accepted change needs, or gets, no operation. */
export type SkipReason = "alreadyThere" | "notEmpty" | "reservedName" | "linkLeavesWorkspace" | "specialFile" | "decidedOnItsOwn";

/** An accepted path that a flush leaves alone. */
export interface SkippedMessage {
  readonly change: string;
  readonly path: string;
  readonly reason: SkipReason;
}

/** End a session's agent and its microVM; the changes stay for review. */
export interface StopParams {
  readonly session: string;
  readonly mode?: HowToStop;
}

/**
 * Hear of a session's events from a number on; the old ones are sent again.
 *
 * A client that shows `network.ask` to the user says `answersNetwork`: unknown names wait for it.
 */
export interface SubscribeParams {
  readonly session: string;
  readonly fromSeq?: number;
  readonly answersNetwork?: boolean;
}

/** Everything before `byte` has been shown. */
export interface TerminalAckParams {
  readonly session: string;
  readonly terminal: string;
  readonly byte: number;
}

/** End a view; the agent runs on. */
export interface TerminalCloseParams {
  readonly session: string;
  readonly terminal: string;
}

/** Output, base64. A `fromByte` beyond the end of the last data says that bytes are gone. */
export interface TerminalData {
  readonly session: string;
  readonly terminal: string;
  readonly fromByte: number;
  readonly data: string;
  readonly stream: OutputStream;
}

/** The agent has ended and all of its output was sent. */
export interface TerminalEnded {
  readonly session: string;
  readonly terminal: string;
  readonly endByte: number;
}

/** What the user typed, base64; `end` closes the agent's input (pipes only). */
export interface TerminalInputParams {
  readonly session: string;
  readonly terminal: string;
  readonly data?: string;
  readonly end?: boolean;
}

/** See the terminal from a byte on; with a size when it is this client's to set. */
export interface TerminalOpenParams {
  readonly session: string;
  readonly fromByte?: number;
  readonly size?: TerminalSizeMessage;
}

/** A view of the terminal. `fromByte` is later than asked for where the start is gone. */
export interface TerminalOpened {
  readonly terminal: string;
  readonly fromByte: number;
  readonly endByte: number;
  readonly window: number;
}

/** The size of this client's view; the last one that was set counts. */
export interface TerminalResizeParams {
  readonly session: string;
  readonly terminal: string;
  readonly size: TerminalSizeMessage;
}

/** Character cells. */
export interface TerminalSizeMessage {
  readonly cols: number;
  readonly rows: number;
}

/** How much a change can do to the host once it is flushed (compat REV-04, REV-05, P-04). */
export type Tier = "ordinary" | "buildFile" | "executesOnHost" | "secret" | "gitInternal";

/** What the user says of the file with this digest; another content is asked for anew. */
export interface TrustDecideParams {
  readonly workspaceUri: string;
  readonly digest: string;
  readonly decision: TrustDecision;
}

/** What the user said when asked. */
export type TrustDecision = "trusted" | "refused";

/**
 * What is asked for, one thing a line, and what the user said of exactly this file.
 *
 * No `digest`: there is no such file. Without a decision nothing of `widening` is applied.
 */
export interface TrustMessage {
  readonly workspaceUri: string;
  readonly digest?: string;
  readonly decision?: TrustDecision;
  readonly widening: readonly string[];
}

/** A workspace, as a file: URI. */
export interface TrustParams {
  readonly workspaceUri: string;
}

/** Hear no more of a session. */
export interface UnsubscribeParams {
  readonly session: string;
}

/** What is decided; only the first three can be set, the others follow. */
export type Verdict = "undecided" | "accepted" | "rejected" | "mixed" | "edited";

/** Why a change is listed and counted but can't be flushed. */
export type WithheldReason = "excluded" | "secret" | "gitInternal" | "specialFile" | "leavesWorkspace" | "tooLarge";

/** What the agent works on (compat CLI-14, CFG-07). */
export type WorkspaceMode = "snapshot" | "direct";
