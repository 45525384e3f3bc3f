"""Which failures of a connection mean that the cluster refuses this client, so that no retry can help."""

import re
import ssl
from typing import Final

from kafka import errors as kafka

_LOGIN_REFUSED: Final = (
    kafka.SaslAuthenticationFailedError,
    kafka.UnsupportedSaslMechanismError,
    kafka.IllegalSaslStateError,
)
# TLS alerts about our identity. Others say that the broker is in trouble or got garbage, which may pass.
_REFUSING_ALERT: Final = re.compile(
    "_ALERT_.*(CERTIFICATE|UNKNOWN_CA|HANDSHAKE_FAILURE|ACCESS_DENIED|PROTOCOL_VERSION|INSUFFICIENT_SECURITY)"
)


class BrokerNotTrusted(kafka.SaslAuthenticationFailedError):  # type: ignore[misc]  # kafka-python has no types
    """We do not accept the broker's certificate. A login error to the library, so that it ends a transaction."""


class CertificateRefused(kafka.SaslAuthenticationFailedError):  # type: ignore[misc]
    """The broker does not accept our certificate, or asks for one. A login error for the same reason."""


def refusal_in(failure: Exception, *, scram: bool) -> Exception | None:
    """Return the refusal in the failure of a connection; None where a retry may help."""
    refusal: Exception | None = failure if isinstance(failure, _LOGIN_REFUSED) else None
    # In SCRAM the broker, too, has to prove that it knows the password. A UnicodeError is an invalid host name.
    if scram and isinstance(failure, ValueError) and not isinstance(failure, UnicodeError):
        refusal = kafka.SaslAuthenticationFailedError(f"the broker's half of the login is wrong: {failure}")
    # The library wraps the error of TLS, and keeps it as an argument or as the context.
    for inner in (*failure.args, failure.__context__):
        if isinstance(inner, ssl.SSLCertVerificationError):
            reason = inner.verify_message.rstrip(".")
            refusal = BrokerNotTrusted(f"the broker's certificate is not accepted: {reason}")
        elif isinstance(inner, ssl.SSLError) and _REFUSING_ALERT.search(inner.reason or ""):
            refusal = CertificateRefused(f"the broker ended the TLS handshake: {inner.reason}")
    return refusal
