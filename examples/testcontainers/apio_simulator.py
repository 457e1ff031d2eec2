"""The simulator in a container, for test suites that have a Docker engine."""

from pathlib import Path

from testcontainers.core.container import DockerContainer
from testcontainers.core.wait_strategies import HttpWaitStrategy

PORT = 4080


class ApioSimulatorContainer(DockerContainer):
    """A simulator whose sandboxes start from `fixture`, a file on this machine, or else from the default fixture.

    Starting waits until the simulator is healthy. Raises `TimeoutError` if that takes too long.
    """

    def __init__(self, image: str, fixture: Path | None = None) -> None:
        # If the engine is on another machine, tests call the simulator by a name that it does not know.
        super().__init__(image, ports=[PORT], env={"APIO_SIMULATOR_ALLOWED_HOST": "*"})
        if fixture is not None:
            self.with_volume_mapping(fixture.resolve(strict=True), "/fixtures/default.yaml")
        self.waiting_for(HttpWaitStrategy(PORT, "/_simulator/health"))

    @property
    def url(self) -> str:
        """The address of the server. The base URLs of clients begin with it."""
        return f"http://{self.get_container_host_ip()}:{self.get_exposed_port(PORT)}"
