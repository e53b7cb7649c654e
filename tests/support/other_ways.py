"""Other ways to a server than plain TCP: TLS and Unix sockets, and certificates for the one."""

import os
import shutil
import socket
import ssl
import subprocess
import time

from .client import Api
from .wire import Connection

# A day in the past and years ahead, whatever the clock of the machine says about today.
FORMAT = "%Y%m%d%H%M%SZ"


def at(days):
    return time.strftime(FORMAT, time.gmtime(time.time() + days * 86400))


class Certificates:
    """An authority in a folder of its own and what it has signed. Made by the command openssl."""

    def __init__(self, folder, name="authority"):
        self.folder = os.path.join(folder, name)
        os.makedirs(os.path.join(self.folder, "ca"))
        self.ca = self.path("ca.pem")
        open(self.path("ca/index.txt"), "w").close()
        with open(self.path("ca/serial"), "w") as file:
            file.write("01\n")
        with open(self.path("ca.cnf"), "w") as file:
            file.write(f"""[req]
distinguished_name = dn
[dn]
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
[ca]
default_ca = own
[own]
dir = {self.folder}/ca
database = {self.folder}/ca/index.txt
serial = {self.folder}/ca/serial
new_certs_dir = {self.folder}/ca
certificate = {self.ca}
private_key = {self.path("ca.key")}
default_md = sha256
policy = any
unique_subject = no
[any]
commonName = supplied
[server]
subjectAltName = DNS:localhost, IP:127.0.0.1
extendedKeyUsage = serverAuth
[client]
extendedKeyUsage = clientAuth
""")
        self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                     "-nodes", "-keyout", self.path("ca.key"), "-out", self.ca, "-days", "30",
                     "-subj", f"/CN=Test {name}", "-config", self.path("ca.cnf"),
                     "-extensions", "authority")

    def path(self, name):
        return os.path.join(self.folder, name)

    def openssl(self, *words):
        done = subprocess.run(["openssl", *words], capture_output=True, stdin=subprocess.DEVNULL)
        if done.returncode != 0:
            raise AssertionError(f"openssl {' '.join(words)}: {done.stderr.decode()}")

    def sign(self, file, name, kind="server", first=-1, last=30):
        """FILE.pem and FILE.key, valid from `first` to `last` days from now; answers both paths."""
        key, request, made = self.path(file + ".key"), self.path(file + ".req"), \
            self.path(file + ".pem")
        self.openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                     "-keyout", key, "-out", request, "-subj", f"/CN={name}",
                     "-config", self.path("ca.cnf"))
        self.openssl("ca", "-batch", "-notext", "-config", self.path("ca.cnf"), "-in", request,
                     "-out", made, "-startdate", at(first), "-enddate", at(last),
                     "-extensions", kind)
        return made, key


def needs_openssl(t):
    if shutil.which("openssl") is None:
        t.skip("there is no openssl to make certificates with")


class TlsConnection(Connection):
    """The same over TLS. Its socket cannot be read and written at once without waiting: so it
    sends all there is, and then looks for the reply."""

    def __init__(self, port, context, name="localhost", timeout=30.0, **options):
        self.context = context
        self.name = name
        super().__init__(port, timeout, **options)

    def _connect(self, port, receive_buffer):
        plain = super()._connect(port, receive_buffer)
        try:
            return self.context.wrap_socket(plain, server_hostname=self.name)
        except BaseException:
            plain.close()
            raise

    def send(self, data, timeout=None):
        self.socket.settimeout(timeout or self.timeout)
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError, ssl.SSLError):
            self.partial = True
        return len(data)


def trusting(ca, certificate=None, least=None):
    """What a client believes, and the certificate (its path and its key's) that it shows."""
    context = ssl.create_default_context(cafile=ca)
    if certificate:
        context.load_cert_chain(*certificate)
    if least:
        context.minimum_version = context.maximum_version = least
    return context


class TlsApi(Api):
    def __init__(self, server, context, **options):
        super().__init__(server, **options)
        self.context = context

    def connect(self, **options):
        options.setdefault("timeout", self.timeout)
        return TlsConnection(self.server.port, self.context, **options)


class UnixConnection(Connection):
    def _connect(self, path, receive_buffer):
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        made.settimeout(self.timeout)
        try:
            made.connect(path)
        except BaseException:
            made.close()
            raise
        return made


class UnixApi(Api):
    def __init__(self, server, path, **options):
        super().__init__(server, **options)
        self.path = path

    def connect(self, **options):
        options.setdefault("timeout", self.timeout)
        return UnixConnection(self.path, **options)
