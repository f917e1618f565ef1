"""Where the servers come from: Maven's jars and the system's packages, found or fetched once."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

from streams.domain.errors import KeshikomiError

FETCH_SECONDS_MAX = 600.0

DEBIAN_PACKAGES = {
    "java": "openjdk-17-jre-headless",
    "mvn": "maven",
    "redis-server": "redis-server",
}
"""Programs that the stack runs, and the Debian packages that hold them."""

SERVICE_POLICY = Path("/usr/sbin/policy-rc.d")
"""What Debian's packages ask before they start a service; 101 means: do not."""

POM = """<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>local</groupId><artifactId>stack</artifactId><version>1</version>
<packaging>pom</packaging><dependencies>{dependencies}</dependencies></project>
"""


class Missing(KeshikomiError):
    """A program or a jar that the stack needs is not here and could not be fetched."""

    code = "missing_package"


@dataclass(frozen=True, slots=True, kw_only=True)
class Jars:
    """A Java server as Maven knows it: `artifacts` are `group:artifact:version`."""

    name: str
    version: str
    artifacts: tuple[str, ...]


def missing_programs(programs: Iterable[str]) -> list[str]:
    """Those of the programs that this machine lacks."""
    return [program for program in programs if shutil.which(program) is None]


def provide(programs: Iterable[str]) -> None:
    """Install the programs that are missing, by apt-get where we may.

    Raises:
        Missing: one is not here and cannot be installed; says what to install.
    """
    lacking = missing_programs(programs)
    if not lacking:
        return
    packages = [DEBIAN_PACKAGES[program] for program in lacking]
    wish = f"{', '.join(lacking)} missing; install with: apt-get install {' '.join(packages)}"
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise Missing(wish)
    with services_stay_off():
        _run(["apt-get", "update", "--quiet"], wish)
        _run(["apt-get", "install", "--yes", "--no-install-recommends", *packages], wish)
    if still := missing_programs(lacking):
        raise Missing(f"apt-get installed {' '.join(packages)}, which holds no {', '.join(still)}")


def jars(wanted: Jars, cache: Path) -> Path:
    """The folder with the jars of a server, fetched by Maven at the first call.

    Raises:
        Missing: Maven could not resolve them; says what it said.
    """
    folder = cache / f"{wanted.name}-{wanted.version}"
    if folder.is_dir():
        return folder
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as name:
        fresh = Path(name) / "jars"
        pom = Path(name) / "pom.xml"
        pom.write_text(POM.format(dependencies="".join(map(_dependency, wanted.artifacts))))
        goal = ["dependency:copy-dependencies", f"-DoutputDirectory={fresh.absolute()}"]
        _run(["mvn", "-q", "-B", "-f", str(pom), *goal], f"the jars of {wanted.name}")
        # Whole or not at all, and whoever comes second at the same moment finds it done.
        with suppress(OSError):
            fresh.rename(folder)
    return folder


def _dependency(artifact: str) -> str:
    group, name, version = map(escape, artifact.split(":"))
    return (
        f"<dependency><groupId>{group}</groupId><artifactId>{name}</artifactId>"
        f"<version>{version}</version></dependency>"
    )


def _run(command: list[str], what: str) -> None:
    try:
        subprocess.run(
            command,
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=FETCH_SECONDS_MAX,
        )
    except subprocess.CalledProcessError as error:
        raise Missing(f"{what}: {command[0]} failed\n{error.stdout}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Missing(f"{what}: {error}") from error


@contextmanager
def services_stay_off() -> Iterator[None]:
    """Keep Debian from starting the service of a package of which we want the program alone."""
    if SERVICE_POLICY.exists():
        yield  # whoever wrote it decides
        return
    SERVICE_POLICY.write_text("#!/bin/sh\nexit 101\n")
    SERVICE_POLICY.chmod(0o755)
    try:
        yield
    finally:
        SERVICE_POLICY.unlink()
