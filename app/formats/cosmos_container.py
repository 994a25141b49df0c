"""CosmosContainer: an open container of Azure Cosmos DB, and what each of its refusals means."""

from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

from azure.core.exceptions import AzureError, ServiceRequestError
from azure.cosmos import CosmosClient
from azure.cosmos.exceptions import CosmosHttpResponseError

from app.domain.container_address import ContainerAddress
from app.errors import SourceError

_PAGE_DOCUMENTS = 1000
# Each page may be asked for so often, in either of two places of the client that try again.
_THROTTLED_TRIES = 20
_THROTTLED_SECONDS = 120
_UNTRUSTED = "CERTIFICATE_VERIFY_FAILED"  # of OpenSSL


class CosmosContainer:
    """A container whose account, database and name are known to be there.

    Only the host that the URL names is asked, whatever other regions its account tells of. Who is
    asked for more than the container's request units allow waits as long as the server says.

    Raises:
        SourceError: the account cannot be reached, refuses, or lacks it; also when it is read.
    """

    def __init__(self, address: ContainerAddress, name: str, key: str) -> None:
        self._name = name
        with self._errors_named():
            self._client = CosmosClient(
                address.endpoint,
                key,
                enable_endpoint_discovery=False,
                connection_verify=address.checks_certificate,
                retry_throttle_total=_THROTTLED_TRIES,
                retry_throttle_backoff_max=_THROTTLED_SECONDS,
                user_agent_suffix="chatfold",
            )
        try:
            database = self._client.get_database_client(address.database)
            with self._errors_named(f"The account has no database {address.database}."):
                database.read()
            self._container = database.get_container_client(address.container)
            absence = f"The database {address.database} has no container {address.container}."
            with self._errors_named(absence):
                self._container.read()
        except SourceError:
            self.close()
            raise

    def close(self) -> None:
        """Disconnect."""
        self._client.close()

    def found(
        self, query: str, parameters: Mapping[str, Any], *, limit: int | None = None
    ) -> Iterator[Any]:
        """What a query finds, page by page, none of which is longer than the limit.

        Without an order of its own it is that of the server: the ranges of the partition key one
        after the other, in each of them as it was written.
        """
        with self._errors_named():
            yield from self._container.query_items(
                query,
                [{"name": name, "value": value} for name, value in parameters.items()],
                enable_cross_partition_query=True,
                max_item_count=min(limit or _PAGE_DOCUMENTS, _PAGE_DOCUMENTS),
            )

    @contextmanager
    def _errors_named(self, absence: str | None = None) -> Generator[None]:
        try:
            yield
        except ServiceRequestError as error:
            if _UNTRUSTED in str(error):
                raise SourceError(
                    f"The certificate of the server of {self._name} cannot be trusted;"
                    " for that of an emulator say ?tlsAllowInvalidCertificates=true."
                ) from error
            raise SourceError(f"No server of {self._name} can be reached.") from error
        except CosmosHttpResponseError as error:
            raise SourceError(self._refusal(error.status_code or 0, absence)) from error
        except (AzureError, UnicodeDecodeError) as error:
            raise SourceError(f"{self._name} cannot be read: {type(error).__name__}.") from error

    def _refusal(self, status: int, absence: str | None) -> str:
        match status:
            case HTTPStatus.UNAUTHORIZED:
                return (
                    f"The server of {self._name} refuses the key:"
                    " CHATFOLD_COSMOS_KEY must be one of this account."
                )
            case HTTPStatus.FORBIDDEN:
                return (
                    f"The server of {self._name} forbids this: its firewall does, or the key"
                    " does not allow it, or this machine's clock is wrong."
                )
            case HTTPStatus.NOT_FOUND:
                return absence or f"{self._name} is no longer there."
            case HTTPStatus.TOO_MANY_REQUESTS:
                return (
                    f"{self._name} is asked for more than its request units allow;"
                    " raise them, or come back when others need fewer."
                )
            case _:
                return f"The server of {self._name} cannot answer: status {status}."
