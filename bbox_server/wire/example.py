# SPDX-License-Identifier: Apache-2.0
"""Examples of messages, for docs/protocol.md; a test reads each with its model."""

from typing import Final

Example = dict[str, object]

ONE: Final[Example] = {"session": "3f9a1c07"}
TERMINAL: Final[Example] = {**ONE, "terminal": "1"}

QUESTION: Final[Example] = {"host": "api.example.com", "port": 443}

NETWORK_RULES: Final[Example] = {
    **ONE,
    "profile": "standard",
    "rules": [{"host": "*.github.com", "ports": [443]}],
    "added": [{"host": "api.example.com", "ports": [443]}],
}

TRUST_DIGEST: Final = "9d1f0c" + 58 * "0"
TRUST: Final[Example] = {
    "workspaceUri": "file:///home/ada/tally",
    "digest": TRUST_DIGEST,
    "widening": [".broodbox.yaml:2:3: network.allow_hosts: adds db.example.com:5432"],
}

AGENTS: Final[Example] = {
    "agents": [
        {
            "name": "codex",
            "description": "OpenAI's Codex CLI",
            "image": "ghcr.io/stacklok/brood-box/codex:latest",
            "source": "built-in",
            "available": True,
            "missing": [],
        }
    ]
}

RUN: Final[Example] = {
    "workspaceUri": "file:///home/ada/tally",
    "agent": "codex",
    "args": ["exec", "fix the bug"],
    "options": {"cpus": 2, "egressProfile": "standard"},
    "terminal": {"cols": 100, "rows": 30},
}

SESSION: Final[Example] = {
    "id": "3f9a1c07",
    "state": "running",
    "agent": "codex",
    "workspace": "/home/ada/tally",
    "image": "",
    "command": ["exec", "fix the bug"],
    "createdAt": 1790000000.5,
    "running": True,
}

CHANGE: Final[Example] = {
    "id": "9b1f0c4d2e6a8b7c9b1f0c4d2e6a8b7c",
    "path": "src/money.py",
    "kind": "modified",
    "tier": "ordinary",
    "verdict": "undecided",
    "baseline": {
        "kind": "file",
        "mode": 420,
        "size": 10,
        "hash": "5d41402abc4b2a76b9719d911017c592",
    },
    "agent": {"kind": "file", "mode": 420, "size": 12, "hash": "7d793037a0760186574b0282f2f435e7"},
    "hunkCount": 1,
}

CHANGE_WITH_HUNKS: Final[Example] = {
    **CHANGE,
    "hunks": [
        {
            "id": "c0ffee00c0ffee00c0ffee00c0ffee00",
            "header": "@@ -1,1 +1,1 @@",
            "oldStart": 1,
            "oldLines": 1,
            "newStart": 1,
            "newLines": 1,
            "verdict": "undecided",
            "diff": "-price = 1\n+price = 1.0\n",
        }
    ],
}

CONTENT: Final[Example] = {
    **ONE,
    "side": "agent",
    "path": "src/money.py",
    "data": "cHJpY2UgPSAxLjAK",
    "size": 12,
    "entry": CHANGE["agent"],
    "tooLarge": False,
}

DECIDE: Final[Example] = {
    **ONE,
    "revision": 3,
    "decisions": [
        {
            "change": CHANGE["id"],
            "hunk": "c0ffee00c0ffee00c0ffee00c0ffee00",
            "verdict": "accepted",
        }
    ],
}

EDIT: Final[Example] = {
    **ONE,
    "change": CHANGE["id"],
    "baseHash": "7d793037a0760186574b0282f2f435e7",
    "data": "cHJpY2UgPSAyCg==",
}

DRAFT: Final[Example] = {
    **ONE,
    "change": CHANGE["id"],
    "baseHash": EDIT["baseHash"],
    "data": "cHJpY2UgPSAxLjAK",
    "conflicts": 0,
}

REVIEWED: Final[Example] = {
    **ONE,
    "revision": 3,
    "changes": [{**CHANGE_WITH_HUNKS, "verdict": "accepted"}],
}

BRANCH: Final[Example] = {
    "repository": ".",
    "name": "main",
    "tip": "2fd4e1c67a2d28fced849ee1bb76e7391b93eb12",
    "ref": "refs/bbox/3f9a1c07/main",
    "commits": [
        {
            "id": "2fd4e1c67a2d28fced849ee1bb76e7391b93eb12",
            "subject": "Count money in decimals",
            "author": "Ada",
            "email": "ada@example.org",
            "at": 1790000002,
            "files": [{"status": "M", "path": "src/money.py"}],
            "fileCount": 1,
        }
    ],
    "commitCount": 1,
    "taken": False,
}

FORWARDED: Final[Example] = {
    "repository": ".",
    "ref": "refs/heads/main",
    "before": "da39a3ee5e6b4b0d3255bfef95601890afd80709",
    "after": BRANCH["tip"],
}

PLAN: Final[Example] = {
    **ONE,
    "planHash": "e3b0c44298fc1c149afbf4c8996fb924",
    "operations": [
        {"change": CHANGE["id"], "path": "src/money.py", "kind": "write", "merged": False}
    ],
    "conflicts": [],
    "skipped": [],
}

FLUSH: Final[Example] = {
    **ONE,
    "flush": 1,
    "kind": "flush",
    "results": [
        {"change": CHANGE["id"], "path": "src/money.py", "kind": "write", "result": "applied"}
    ],
    "refs": [
        {
            "repository": ".",
            "ref": "refs/bbox/3f9a1c07/main",
            "after": BRANCH["tip"],
            "branch": "main",
        }
    ],
}

DOCTOR: Final[Example] = {
    "ready": True,
    "checks": [{"name": "accelerator", "status": "ok", "detail": "kvm: a probe guest booted"}],
}

EVENT: Final[Example] = {
    **ONE,
    "seq": 4,
    "ts": 1790000003.25,
    "kind": "session.state",
    "fields": {"state": "running"},
}

FAILURE: Final[Example] = {
    "code": "review.stale",
    "message": "The changes moved on after they were shown.",
    "cause": "There is no change 9b1f in revision 4.",
    "remediation": "Look at the changes again and decide on what is there now.",
    "retry": "retry",
}
