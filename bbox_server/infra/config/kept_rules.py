# SPDX-License-Identifier: Apache-2.0
"""Rules that the user allowed for good, in their config file."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml
from typing_extensions import override

from bbox_server.domain.egress.kept import KeptRules
from bbox_server.domain.egress.rule import HostRule
from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.escape import escape_text
from bbox_server.domain.workspace import HostPath
from bbox_server.infra.config.replacing import replace_config

_NETWORK: Final = "network"
_HOSTS: Final = "allow_hosts"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigKeptRules(KeptRules):
    """Puts lines into the text: PyYAML would write the file anew, without its comments."""

    path: HostPath

    @override
    def keep(self, rule: HostRule) -> None:
        path = Path(self.path).resolve()
        try:
            text = path.read_text() if path.exists() else ""
            changed = with_host(text, rule)
            if changed == text:
                return
            replace_config(path, changed)
        except (ValueError, yaml.YAMLError) as error:
            raise BboxError(
                ErrorCode.CONFIG_INVALID,
                cause=f"{escape_text(self.path)} has no place for {rule}: its "
                f"{_NETWORK}.{_HOSTS} is no list of hosts, or the file is no YAML.",
                remediation=f"Correct it (`bbox config validate`), or write {rule} there yourself.",
            ) from error
        except OSError as error:
            raise BboxError(
                ErrorCode.DIRECTORY_UNUSABLE,
                cause=f"{escape_text(self.path)} can't be written: {error.strerror}.",
                remediation="Correct the mode of the file's directory, or allow it for the "
                "session alone.",
            ) from error


def with_host(text: str, rule: HostRule) -> str:
    """The text of a config with one more host; the same text where it has it already.

    Raises:
        ValueError: There is no place for it; or yaml.YAMLError.
    """
    entry = _entry(rule)
    wanted = yaml.safe_load(text) or {}
    hosts = _hosts_of(wanted)
    if yaml.safe_load(entry) in hosts:
        return text
    changed = _inserted(text, entry)
    # Whatever the text looked like: nothing else has changed, or nothing is written.
    if _hosts_of(yaml.safe_load(changed)) != [*hosts, yaml.safe_load(entry)]:
        raise ValueError(_HOSTS)
    return changed


def _hosts_of(config: object) -> list[object]:
    network = config.get(_NETWORK) if isinstance(config, dict) else ValueError
    if network is None:
        return []
    hosts = network.get(_HOSTS) if isinstance(network, dict) else ValueError
    if hosts is None:
        return []
    if not isinstance(hosts, list):
        raise ValueError(_HOSTS)  # noqa: TRY004 (of the file, not of the program)
    return hosts


def _entry(rule: HostRule) -> str:
    # What YAML could take for an alias stands in quotes.
    return f'{{name: "{rule.name}", ports: [{", ".join(map(str, rule.open_ports))}]}}'


def _inserted(text: str, entry: str) -> str:
    root = yaml.compose(text, yaml.SafeLoader)
    network = _value(root, _NETWORK)
    hosts = _value(network, _HOSTS)
    if network is None or _is_empty(network):
        return _without_null(text, network, _NETWORK) + (
            f"{_NETWORK}:\n  {_HOSTS}:\n    - {entry}\n"
        )
    if hosts is None and isinstance(network, yaml.MappingNode) and not network.flow_style:
        start = network.start_mark
        line = f"{_HOSTS}:\n{' ' * (start.column + 2)}- {entry}\n{' ' * start.column}"
        return text[: start.index] + line + text[start.index :]
    if not isinstance(hosts, yaml.SequenceNode):
        raise ValueError(_HOSTS)  # noqa: TRY004 (of the file, not of the program)
    if hosts.flow_style:
        end = hosts.end_mark.index - 1
        return text[:end] + (", " if hosts.value else "") + entry + text[end:]
    return _after_last(text, hosts, entry)


def _after_last(text: str, hosts: yaml.SequenceNode, entry: str) -> str:
    """After the last entry's line; comments behind it stay behind it."""
    last = hosts.value[-1].end_mark
    index = last.index if last.column else len(text[: last.index].rstrip())
    end = text.find("\n", index)
    body, rest = (text + "\n", "") if end < 0 else (text[: end + 1], text[end + 1 :])
    return f"{body}{' ' * hosts.start_mark.column}- {entry}\n{rest}"


def _value(node: yaml.Node | None, key: str) -> yaml.Node | None:
    if not isinstance(node, yaml.MappingNode):
        return None
    return next((value for name, value in node.value if name.value == key), None)


def _is_empty(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and not node.value


def _without_null(text: str, network: yaml.Node | None, key: str) -> str:
    if network is not None:
        # `network:` with nothing below it.
        line = text.rfind(key, 0, network.start_mark.index + 1)
        text = text[:line] + text[line:].replace(f"{key}:", "", 1)
    return text if not text or text.endswith("\n") else text + "\n"
