"""A real OpenLDAP server on the loopback, thrown away after use: plain, StartTLS and LDAPS, with an authority of its own.

    with openldap(folder) as directory:
        directory.plain, directory.tls, directory.ca_file        # ldap://127.0.0.1:…, ldaps://127.0.0.1:…, a PEM file
        directory.restart()                                      # the same ports and data

Wants slapd (Debian and Ubuntu: apt-get install slapd ldap-utils), runs as root or not, and is ready in some hundredths of a second.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from base64 import b64encode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.support.certificates import Authority
from tests.support.server_processes import free_port

BASE: Final = "dc=example,dc=com"
SERVICE_DN: Final = f"cn=mock,ou=services,{BASE}"
SERVICE_PASSWORD: Final = "service-secret-9f31"
PASSWORD: Final = "correct horse"
"""Of every person; those of `PASSWORDS` have their own."""
PASSWORDS: Final = {"josé": "pässwörd ✓", "padded": "  two spaces "}

_SCHEMAS = Path("/etc/ldap/schema"), Path("/etc/openldap/schema")
_MODULES = Path("/usr/lib/ldap"), Path("/usr/lib64/openldap")
_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/libexec", "/usr/local/libexec"])
INSTALL: Final = "apt-get install slapd ldap-utils"

_CONF = """
include {schema}/core.schema
include {schema}/cosine.schema
include {schema}/inetorgperson.schema
modulepath {modules}
moduleload back_mdb
moduleload memberof
moduleload ppolicy
pidfile {folder}/slapd.pid
argsfile {folder}/slapd.args
TLSCACertificateFile {ca}
TLSCertificateFile {certificate}
TLSCertificateKeyFile {certificate}
sizelimit 500
database mdb
maxsize 33554432
suffix "{base}"
rootdn "cn=root,{base}"
rootpw root-secret
directory {folder}/data
index objectClass,uid,member,uniqueMember eq
overlay memberof
memberof-dangling ignore
overlay ppolicy
ppolicy_default "cn=default,ou=policies,{base}"
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact="{service}" read by self read by * none
"""


def people() -> Iterator[str]:
    """The entries of the directory, as LDIF."""
    yield f"dn: {BASE}\nobjectClass: dcObject\nobjectClass: organization\ndc: example\no: Example"
    for unit in ("people", "contractors", "groups", "services", "policies", "elsewhere"):
        yield f"dn: ou={unit},{BASE}\nobjectClass: organizationalUnit\nou: {unit}"
    yield f"dn: {SERVICE_DN}\nobjectClass: person\ncn: mock\nsn: mock\nuserPassword: {SERVICE_PASSWORD}"
    yield _policy("default", "pwdMustChange: TRUE")
    yield _policy("short", "pwdMaxAge: 1")
    yield person("alice", "Alice Liddell", memberOf=_groups("admins", "loop-a"), departmentNumber=["42"])
    yield person("bob", "Bob", memberOf=[*_groups("readers"), f"cn=root,ou=elsewhere,{BASE}"])
    yield person("josé", "José Álvarez")
    yield person("padded", "Padded")
    yield person("doe, jane", "Jane Doe", dn=f"uid=doe\\, jane,ou=people,{BASE}")
    yield person("star*(x)", "Star")
    yield person("locked", "Locked", pwdAccountLockedTime=["000001010000Z"])
    yield person("expired", "Expired", pwdPolicySubentry=[f"cn=short,ou=policies,{BASE}"], pwdChangedTime=["20000101000000Z"])
    yield person("reset", "Must Change", pwdReset=["TRUE"])
    yield f"dn: uid=nopass,ou=people,{BASE}\nobjectClass: inetOrgPerson\nuid: nopass\ncn: No Password\nsn: x"
    yield person("twin", "First Twin")
    yield person("twin", "Second Twin", dn=f"uid=twin,ou=contractors,{BASE}")
    yield group("admins", [f"uid=alice,ou=people,{BASE}"], memberOf=_groups("staff"))
    yield group("staff", _groups("admins"), memberOf=_groups("company"))
    yield group("company", _groups("staff"))
    yield group("readers", [f"uid=bob,ou=people,{BASE}"])
    yield group("loop-a", [f"uid=alice,ou=people,{BASE}", *_groups("loop-b")], memberOf=_groups("loop-b"))
    yield group("loop-b", _groups("loop-a"), memberOf=_groups("loop-a"))
    yield group("unique", [f"uid=alice,ou=people,{BASE}"], kind="groupOfUniqueNames", attribute="uniqueMember")
    yield group("root", [f"uid=bob,ou=people,{BASE}"], dn=f"cn=root,ou=elsewhere,{BASE}")


def person(uid: str, name: str, *, dn: str = "", **more: Sequence[str]) -> str:
    """The LDIF of somebody."""
    lines = [f"dn: {dn or f'uid={uid},ou=people,{BASE}'}", "objectClass: inetOrgPerson", f"uid: {uid}", f"cn: {name}", f"sn: {name}"]
    password = PASSWORDS.get(uid, PASSWORD)
    encoded = b64encode(password.encode()).decode()
    lines += [f"mail: {uid.encode('ascii', 'ignore').decode().replace(' ', '')}@example.com", f"userPassword:: {encoded}"]
    return "\n".join([*lines, *(f"{attribute}: {value}" for attribute, values in more.items() for value in values)])


def group(
    name: str, members: Sequence[str], *, kind: str = "groupOfNames", attribute: str = "member", dn: str = "", **more: Sequence[str]
) -> str:
    """The LDIF of a group."""
    lines = [f"dn: {dn or f'cn={name},ou=groups,{BASE}'}", f"objectClass: {kind}", f"cn: {name}", *(f"{attribute}: {m}" for m in members)]
    return "\n".join([*lines, *(f"{attribute}: {value}" for attribute, values in more.items() for value in values)])


def _groups(*names: str) -> list[str]:
    return [f"cn={name},ou=groups,{BASE}" for name in names]


def _policy(name: str, *lines: str) -> str:
    head = [
        f"dn: cn={name},ou=policies,{BASE}",
        "objectClass: device",
        "objectClass: pwdPolicy",
        f"cn: {name}",
        "pwdAttribute: userPassword",
    ]
    return "\n".join([*head, "pwdLockout: TRUE", "pwdMaxFailure: 0", *lines])


@dataclass
class OpenLdap:
    """A server that is running, or can be started again."""

    folder: Path
    authority: Authority
    ca_file: str
    port: int = 0
    tls_port: int = 0
    process: subprocess.Popen[bytes] | None = None
    output: Path = field(init=False)

    def __post_init__(self) -> None:
        self.output = self.folder / "slapd.log"

    @property
    def plain(self) -> str:
        """Where it speaks LDAP, with StartTLS on request."""
        return f"ldap://127.0.0.1:{self.port}"

    @property
    def tls(self) -> str:
        """Where it speaks LDAPS."""
        return f"ldaps://127.0.0.1:{self.tls_port}"

    def start(self) -> None:
        """Start it, on the ports that it had. Raises RuntimeError."""
        command = [_tool("slapd"), "-f", str(self.folder / "slapd.conf"), "-h", f"{self.plain} {self.tls}", "-d", "0"]
        with self.output.open("ab") as output:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        try:
            for port in (self.port, self.tls_port):
                until_it_accepts(port, self.process)
        except RuntimeError:
            self.stop()
            raise RuntimeError(f"slapd did not start:\n{self.output.read_text()}") from None

    def stop(self) -> None:
        """Stop it; its data stays."""
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None

    def restart(self) -> None:
        """Stop and start: connections break, ports and data stay."""
        self.stop()
        self.start()

    def add(self, *entries: str) -> None:
        """Add entries (LDIF) while it is stopped."""
        assert self.process is None, "slapadd wants the server stopped"
        _fill(self.folder, entries)


def until_it_accepts(port: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until somebody listens. Raises RuntimeError where the process ends before, or takes half a minute."""
    deadline = time.monotonic() + 30
    while True:
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
            return
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError("nobody listens")
        time.sleep(0.005)


@contextmanager
def openldap(folder: Path, *, authority: Authority | None = None, certificate: bytes | None = None) -> Iterator[OpenLdap]:
    """A server over `people()`, stopped at the end. `certificate`: PEM of another certificate and its key. Raises RuntimeError."""
    folder.mkdir(parents=True, exist_ok=True)
    authority = authority or Authority()
    (folder / "ca.pem").write_bytes(authority.pem)
    (folder / "server.pem").write_bytes(certificate or authority.certificate("localhost", "127.0.0.1"))
    (folder / "data").mkdir()
    schema, modules = (next(path for path in paths if path.is_dir()) for paths in (_SCHEMAS, _MODULES))
    conf = _CONF.format(
        schema=schema,
        modules=modules,
        folder=folder,
        ca=folder / "ca.pem",
        certificate=folder / "server.pem",
        base=BASE,
        service=SERVICE_DN,
    )
    (folder / "slapd.conf").write_text(conf)
    _fill(folder, list(people()))
    directory = OpenLdap(folder, authority, str(folder / "ca.pem"))
    for left in (2, 1, 0):  # somebody else may take a free port first
        directory.port, directory.tls_port = free_port(), free_port()
        try:
            directory.start()
            break
        except RuntimeError:
            if not left:
                raise
    try:
        yield directory
    finally:
        directory.stop()


def is_installed() -> bool:
    """Whether slapd is there."""
    return shutil.which("slapd", path=_PATH) is not None


def _tool(name: str) -> str:
    found = shutil.which(name, path=_PATH)
    if found is None:
        raise RuntimeError(f"{name} is missing: {INSTALL}")
    return found


def _fill(folder: Path, entries: Sequence[str]) -> None:
    ldif = "\n\n".join(entries)
    command = [_tool("slapadd"), "-f", str(folder / "slapd.conf"), "-b", BASE, "-q"]
    done = subprocess.run(command, input=ldif.encode(), capture_output=True, check=False)
    if done.returncode:
        raise RuntimeError(f"slapadd failed:\n{done.stderr.decode(errors='replace')}")
