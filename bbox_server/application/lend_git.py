# SPDX-License-Identifier: Apache-2.0
"""What of the user's git a run lends: a token by the proxy, logins by the SSH agent."""

from dataclasses import dataclass
from pathlib import PurePosixPath

from bbox_server.domain.credential import GATEWAY_PORT, PlaceholderToken, ServedRoute
from bbox_server.domain.egress.relay import GATEWAY_ADDRESS
from bbox_server.domain.egress.rule import HostRule, parse_host_rule
from bbox_server.domain.error import BboxError
from bbox_server.domain.git_token import PROVIDER_PREFIX, git_routes, git_settings
from bbox_server.domain.guest_file import GuestFile
from bbox_server.domain.identity import GitIdentity, guest_config
from bbox_server.domain.progress import ProgressObserver
from bbox_server.domain.run import RunRequest
from bbox_server.domain.ssh_agent import KnownHosts, LentAgent, lend, ssh_hosts


@dataclass(frozen=True, slots=True, kw_only=True)
class LentGit:
    """What the guest may use, and who it is to git.

    Attributes:
        routes: For the credential proxy: a repository each, with the token.
        agent: None where no login is signed.
    """

    identity: GitIdentity
    routes: tuple[ServedRoute, ...]
    agent: LentAgent | None

    def files(self, placeholder: PlaceholderToken) -> tuple[GuestFile, ...]:
        """The guest's git configuration, and the hosts that it may log in to."""
        base = f"http://{GATEWAY_ADDRESS}:{GATEWAY_PORT}"
        extra = git_settings(self.identity.remotes, placeholder, base) if self.routes else ()
        config = GuestFile(
            path=PurePosixPath(".gitconfig"), content=guest_config(self.identity, extra).encode()
        )
        if self.agent is None:
            return (config,)
        known = self.agent.known_hosts.encode()
        return (config, GuestFile(path=PurePosixPath(".ssh/known_hosts"), content=known))

    @property
    def rules(self) -> tuple[HostRule, ...]:
        """The hosts of the logins, for the network policy."""
        hosts = [known.host for known in self.agent.hosts] if self.agent else []
        return tuple(parse_host_rule(f"{one.name}:{one.port}") for one in dict.fromkeys(hosts))


@dataclass(frozen=True, slots=True, kw_only=True)
class LendGit:
    """Nothing is lent unless the user says so (P-22)."""

    known_hosts: KnownHosts
    progress: ProgressObserver

    async def __call__(self, request: RunRequest, identity: GitIdentity) -> LentGit:
        """Decide.

        Raises: credential.missing, where what was asked for has no use here. What a config lets
        in need not have one in every workspace.
        """
        return LentGit(
            identity=identity,
            routes=self._routes(request, identity),
            agent=await self._agent(request, identity),
        )

    def tell(self, lent: LentGit) -> None:
        """What a user must know before the agent starts."""
        if lent.routes:
            providers = (one.route.provider for one in lent.routes)
            names = ", ".join(provider.removeprefix(PROVIDER_PREFIX) for provider in providers)
            self.progress.noted(
                f"The agent may read and write {names} with your GitHub token, "
                "which stays on this host"
            )
        if lent.agent is not None:
            names = ", ".join(dict.fromkeys(known.host.pattern for known in lent.agent.hosts))
            self.progress.noted(f"The agent may log in to {names} with your SSH agent")

    def _routes(self, request: RunRequest, identity: GitIdentity) -> tuple[ServedRoute, ...]:
        if not request.git.token:
            return ()
        try:
            return git_routes(identity.remotes, request.environ)
        except BboxError as error:
            if request.git.is_token_asked:
                raise
            self.progress.noted(f"No GitHub token for the guest: {error.cause}")
            return ()

    async def _agent(self, request: RunRequest, identity: GitIdentity) -> LentAgent | None:
        if not request.git.ssh_agent:
            return None
        hosts = ssh_hosts(identity.remotes)
        known = await self.known_hosts.find(hosts)
        try:
            return lend(hosts, known, request.environ)
        except BboxError as error:
            if request.git.is_ssh_agent_asked:
                raise
            self.progress.noted(f"No SSH agent for the guest: {error.cause}")
            return None
