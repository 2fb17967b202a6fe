"""Certificates for tests: authorities, server and client certificates, made when they are needed."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

DAY = datetime.timedelta(days=1)


class Certificate:
    """A certificate with its key and the chain up to, but without, the root; `write` puts them into files."""

    def __init__(
        self,
        name: str,
        issuer: Certificate | None = None,
        *,
        ca: bool = False,
        names: tuple[str, ...] = (),
        days: tuple[int, int] = (-1, 30),
        key: str = "ec",
        organization: str = "Example",
        path_length: int | None = None,
        extensions: tuple[tuple[x509.ExtensionType, bool], ...] = (),
        signer: Certificate | None = None,
    ) -> None:
        """`days` are the beginning and the end of its life, from now. `names` become the subjectAltName.

        `key`: "ec", "ec192" or "rsa2048". `extensions`: more of them, each with whether it is critical. `signer`: whose
        key signs it, if that is not the issuer's.
        """
        self.key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
        if key[:3] == "rsa":
            self.key = rsa.generate_private_key(65537, int(key[3:]))
        else:
            self.key = ec.generate_private_key(ec.SECP192R1() if key == "ec192" else ec.SECP256R1())
        self.issuer = issuer
        now = datetime.datetime.now(datetime.UTC)
        subject = x509.Name(
            [x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization), x509.NameAttribute(NameOID.COMMON_NAME, name)]
        )
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer.certificate.subject if issuer else subject)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + days[0] * DAY)
            .not_valid_after(now + days[1] * DAY)
            .add_extension(x509.BasicConstraints(ca=ca, path_length=path_length), critical=True)
        )
        if names:
            alternatives = x509.SubjectAlternativeName([_name(text) for text in names])
            builder = builder.add_extension(alternatives, critical=False)
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        key_of = signer or issuer or self
        self.certificate: x509.Certificate = builder.sign(key_of.key, hashes.SHA256())  # type: ignore[arg-type]
        self.chain = [self.certificate]
        if issuer is not None:
            self.chain += [one for one in issuer.chain if one.issuer != one.subject]

    def pem(self, chain: bool = False) -> str:
        """The certificate, or with it the chain up to the root."""
        encoding = serialization.Encoding.PEM
        return "".join(one.public_bytes(encoding).decode() for one in (self.chain if chain else [self.certificate]))

    def write(self, directory: Path, name: str, line_end: str = "\n") -> tuple[str, str]:
        """Writes `name`.pem (with chain) and `name`.key; returns both paths."""
        secret = self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()
        paths = directory / f"{name}.pem", directory / f"{name}.key"
        for path, text in zip(paths, (self.pem(chain=True), secret), strict=True):
            path.write_bytes(text.replace("\n", line_end).encode())
        return str(paths[0]), str(paths[1])

    def server(self, directory: Path, clients: str | None = None) -> ssl.SSLContext:
        """A server's context with this certificate; `clients` is the file of roots for client certificates."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.write(directory, f"server-{id(self)}"))
        if clients is not None:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(clients)
        return context


def _name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)
