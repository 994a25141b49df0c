"""ContainerAddress: which container of Azure Cosmos DB a URL names, and how it is reached."""

from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from app.errors import ConfigurationError

_SCHEME = "cosmos://"
_TLS = "tls"
_ANY_CERTIFICATE = "tlsAllowInvalidCertificates"
_NAMES = 2
_TRUTH = {"true": True, "false": False}


def is_container(location: str) -> bool:
    """Whether a location is the URL of a container, and not a path."""
    return location.startswith(_SCHEME)


class ContainerAddress(NamedTuple):
    """A container, named as in `cosmos://host/database/container?options`.

    A slash is the one sign between them that no name of a database has. The options are MongoDB's:
    `tls=false` and `tlsAllowInvalidCertificates=true`, for emulators.
    """

    endpoint: str
    """The URL of its account."""
    database: str
    container: str
    checks_certificate: bool

    @classmethod
    def of(cls, url: str) -> "ContainerAddress":
        """The address that a URL tells.

        Raises:
            ConfigurationError: it names no container, or holds what has no place in it.
        """
        rest = url.removeprefix(_SCHEME)
        if "@" in rest:
            raise ConfigurationError(
                "The URL of a container holds no key; CHATFOLD_COSMOS_KEY has that of its account."
            )
        place, _, query = rest.partition("?")
        host, *names = place.split("/")
        database, container = map(unquote, names) if len(names) == _NAMES else ("", "")
        if not (_is_host(host) and database and container):
            raise ConfigurationError(
                f"The URL {_SCHEME}{place} names no container;"
                f" say {_SCHEME}host/database/container."
            )
        options = _options(query)
        scheme = "https" if options.get(_TLS, True) else "http"
        checks_certificate = not options.get(_ANY_CERTIFICATE, False)
        return cls(f"{scheme}://{host}/", database, container, checks_certificate)


def _is_host(host: str) -> bool:
    try:
        parts = urlsplit(f"//{host}")
        return bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _options(query: str) -> dict[str, bool]:
    told: dict[str, bool] = {}
    for option in filter(None, query.split("&")):
        name, _, value = option.partition("=")
        if name not in {_TLS, _ANY_CERTIFICATE} or value not in _TRUTH:
            raise ConfigurationError(
                f"The URL of a container takes {_TLS}=false and {_ANY_CERTIFICATE}=true;"
                f" {name} is something else."
            )
        told[name] = _TRUTH[value]
    return told
