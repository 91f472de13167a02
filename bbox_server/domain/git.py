# SPDX-License-Identifier: Apache-2.0
"""git: which settings of a repository a guest may see, and what a snapshot asks git."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Protocol

from bbox_server.domain.workspace import HostPath


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One line of a git configuration file.

    Attributes:
        section: Lower case.
        subsection: As it is written, or None.
        key: Lower case.
        value: None for a key without an equals sign, which means true.
    """

    section: str
    subsection: str | None
    key: str
    value: str | None


class GitRepositories(Protocol):
    """The user's git. Blocking: called from a worker thread."""

    def tracked(self, git_dir: HostPath) -> tuple[str, ...]:
        """Paths in the index, relative to the work tree. Raises: dependency.missing, git.failed."""
        ...

    def settings(self, config: bytes) -> tuple[Setting, ...]:
        """The lines of a configuration file. Raises: dependency.missing, git.failed."""
        ...

    def skip_worktree(self, git_dir: HostPath, paths: tuple[str, ...]) -> None:
        """Mark paths as absent on purpose in the index of a repository of ours.

        Raises: dependency.missing, git.failed.
        """
        ...


_WILD_KEY: Final = "*"

ALLOWED: Final[dict[str, frozenset[str]]] = {
    "advice": frozenset({_WILD_KEY}),
    "branch": frozenset({
        "autosetupmerge", "autosetuprebase", "description", "merge", "mergeoptions",
        "pushremote", "rebase", "remote", "sort",
    }),
    "color": frozenset({_WILD_KEY}),
    "core": frozenset({
        "abbrev", "autocrlf", "bare", "bigfilethreshold", "checkroundtripencoding", "checkstat",
        "commentchar", "compression", "deltabasecachelimit", "eol", "filemode", "ignorecase",
        "ignorestat", "logallrefupdates", "loosecompression", "longpaths", "multipackindex",
        "notesref", "packedgitlimit", "packedgitwindowsize", "precomposeunicode",
        "prefersymlinkrefs", "protecthfs", "protectntfs", "quotepath",
        "repositoryformatversion", "safecrlf", "sharedrepository", "sparsecheckout",
        "sparsecheckoutcone", "symlinks", "trustctime", "untrackedcache", "warnambiguousrefs",
        "whitespace", "worktree",
    }),
    "diff": frozenset({
        "algorithm", "autorefreshindex", "binary", "colormoved", "colormovedws", "context",
        "dirstat", "ignoresubmodules", "indentheuristic", "interhunkcontext", "mnemonicprefix",
        "noprefix", "relative", "renamelimit", "renames", "statgraphwidth", "submodule",
        "suppressblankempty", "wordregex", "wserrorhighlight", "xfuncname", "funcname",
    }),
    "extensions": frozenset({
        "compatobjectformat", "noop", "objectformat", "partialclone", "preciousobjects",
        "refstorage", "relativeworktrees",
    }),
    "fetch": frozenset({
        "fsckobjects", "negotiationalgorithm", "output", "parallel", "prune", "prunetags",
        "recursesubmodules", "showforcedupdates", "unpacklimit", "writecommitgraph",
    }),
    "gc": frozenset({
        "aggressivedepth", "aggressivewindow", "auto", "autodetach", "autopacklimit",
        "bigpackthreshold", "packrefs", "pruneexpire", "reflogexpire",
        "reflogexpireunreachable", "worktreepruneexpire", "writecommitgraph",
    }),
    "init": frozenset({"defaultbranch", "defaultobjectformat", "defaultrefformat"}),
    "log": frozenset({
        "abbrevcommit", "date", "decorate", "diffmerges", "excludedecoration", "follow",
        "graphcolors", "initialdecorationset", "mailmap", "showroot",
    }),
    "merge": frozenset({
        "autostash", "conflictstyle", "defaulttoupstream", "directoryrenames", "ff",
        "log", "name", "recursive", "renamelimit", "renames", "renormalize", "stat",
        "suppressdest", "verbosity",
    }),
    "pack": frozenset({_WILD_KEY}),
    "push": frozenset({
        "autosetupremote", "default", "followtags", "negotiate",
        "recursesubmodules", "useforceifincludes",
    }),
    "rebase": frozenset({
        "abbreviatecommands", "autosquash", "autostash", "backend", "forkpoint",
        "missingcommitscheck", "rebasemerges", "reschedulefailedexec", "stat", "updaterefs",
    }),
    "remote": frozenset({
        "fetch", "mirror", "partialclonefilter", "promisor", "prune", "prunetags", "push",
        "pushdefault", "pushurl", "skipdefaultupdate", "skipfetchall", "tagopt", "url",
    }),
    "rerere": frozenset({"autoupdate", "enabled"}),
    "status": frozenset({_WILD_KEY}),
    "submodule": frozenset({
        "active", "branch", "fetchjobs", "fetchrecursesubmodules", "ignore", "path", "recurse",
        "shallow", "update", "url",
    }),
    "tag": frozenset({"sort"}),
    "user": frozenset({"email", "name"}),
}  # fmt: skip
"""What may pass (compat GIT-01 as an allow-list of keys, P-29). Nothing here names a program."""

MINIMAL_SETTINGS: Final = (
    Setting(section="core", subsection=None, key="repositoryformatversion", value="0"),
    Setting(section="core", subsection=None, key="filemode", value="true"),
)
"""Of a repository whose own settings git can't read."""

_USERINFO: Final = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*://)(?P<user>[^/\s]*)@")
_URL: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://([^/\s]*@)?(?P<host>[^/\s]*)")
_PORT: Final = re.compile(r"(\[[^]]*\]|[^:]*)(:[0-9]*)?")
_SUBMODULE_UPDATES: Final = frozenset({"checkout", "rebase", "merge", "none"})
_RUNS_A_PROGRAM: Final = ("ext::", "fd::")


def without_credentials(text: str) -> str:
    """Text whose URLs name nobody but `git`, as a user without a password."""
    return _USERINFO.sub(
        lambda found: found["scheme"] + ("git@" if found["user"] == "git" else ""), text
    )


def sanitized(settings: Iterable[Setting]) -> tuple[Setting, ...]:
    """The settings that a guest may see, without credentials."""
    kept = (_sanitize(setting) for setting in settings)
    return tuple(setting for setting in kept if setting is not None)


def standalone(settings: Iterable[Setting]) -> tuple[Setting, ...]:
    """The settings of a linked work tree for a copy that has its git directory in `.git`."""
    place = {("core", "worktree"), ("core", "bare")}
    kept = (one for one in settings if one.subsection or (one.section, one.key) not in place)
    return (*kept, Setting(section="core", subsection=None, key="bare", value="false"))


def _sanitize(setting: Setting) -> Setting | None:
    allowed = ALLOWED.get(setting.section, frozenset())
    if setting.key not in allowed and _WILD_KEY not in allowed:
        return None
    subsection, value = setting.subsection, setting.value
    if subsection is not None and without_credentials(subsection) != subsection:
        return None
    if value is None:
        return setting
    if not _is_harmless(setting, value):
        return None
    if not _is_readable(value):
        return None
    return Setting(
        section=setting.section,
        subsection=subsection,
        key=setting.key,
        value=without_credentials(value),
    )


def _is_harmless(setting: Setting, value: str) -> bool:
    match setting.section, setting.key:
        case "submodule", "update":
            return value in _SUBMODULE_UPDATES
        case "core", "worktree":
            # A submodule's git directory needs it; an absolute one names the host's tree.
            return not value.startswith("/")
        case _:
            return not value.startswith(_RUNS_A_PROGRAM)


def _is_readable(value: str) -> bool:
    # A malformed URL may hold a password where nobody looks for it (compat GIT-04: dropped).
    if "://" not in value or "@" not in value:
        return True
    found = _URL.match(value)
    if found is None or value[found.end() :][:1].isspace():
        return False
    return _PORT.fullmatch(found["host"]) is not None


def serialized(settings: Iterable[Setting]) -> bytes:
    """A configuration file of these settings, and nothing else."""
    lines: list[str] = []
    header = ""
    for setting in settings:
        own = _header(setting)
        if own != header:
            lines.append(own)
            header = own
        lines.append(_line(setting))
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape")


def _header(setting: Setting) -> str:
    if setting.subsection is None:
        return f"[{setting.section}]"
    escaped = setting.subsection.replace("\\", "\\\\").replace('"', '\\"')
    return f'[{setting.section} "{escaped}"]'


def _line(setting: Setting) -> str:
    if setting.value is None:
        return f"\t{setting.key}"
    escaped = setting.value.replace("\\", "\\\\").replace('"', '\\"')
    escaped = escaped.replace("\n", "\\n").replace("\t", "\\t").replace("\b", "\\b")
    quoted = escaped != setting.value or escaped != escaped.strip() or set("#;") & set(escaped)
    return (
        f'\t{setting.key} = "{escaped}"'
        if quoted or "\r" in escaped
        else (f"\t{setting.key} = {escaped}")
    )
