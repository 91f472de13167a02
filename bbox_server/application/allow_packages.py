# SPDX-License-Identifier: Apache-2.0
"""Let the guest's package managers fetch from where the user's own ones do."""

from dataclasses import dataclass

from bbox_server.domain.egress.group import PackageHosts, rules_of
from bbox_server.domain.egress.policy import EgressPolicy, with_rules
from bbox_server.domain.launch import Launch


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowPackages:
    """The whole policy of a run: what was decided, and the package managers' hosts."""

    hosts: PackageHosts

    async def __call__(self, launch: Launch) -> EgressPolicy:
        """Ask the user's package managers, where the run lets them in."""
        if not launch.opens_packages:
            return launch.policy
        return with_rules(launch.policy, rules_of(await self.hosts.groups()))
