"""Side: one of the two stores of a copy; what is damaged there is named as damaged on that side."""

from dataclasses import dataclass

from app.domain.identity import SessionKey
from app.domain.image import SessionImage
from app.domain.session import SessionHeader
from app.errors import CorruptDocumentError
from app.store.copy_report import Finding
from app.store.port import HEADER_ONLY, PutOutcome, SessionStore


class DamagedSideError(Exception):
    """A session is damaged on one side; the others are not affected."""

    def __init__(self, finding: Finding) -> None:
        self.finding = finding
        super().__init__(finding)


@dataclass(frozen=True, slots=True)
class Side:
    """A store of which single sessions may be damaged; everything else that fails ends a copy."""

    store: SessionStore
    damage: Finding

    async def header(self, key: SessionKey) -> SessionHeader:
        """The header of a session.

        Raises:
            SessionNotFoundError: it is not there.
            DamagedSideError: it cannot be decoded.
        """
        try:
            return (await self.store.read(key, HEADER_ONLY)).header()
        except CorruptDocumentError as error:
            raise DamagedSideError(self.damage) from error

    async def image(self, key: SessionKey) -> SessionImage:
        """The whole of a session.

        Raises:
            SessionNotFoundError: it is not there.
            DamagedSideError: it does not fit together.
        """
        try:
            return await self.store.read_image(key)
        except CorruptDocumentError as error:
            raise DamagedSideError(self.damage) from error

    async def put(self, image: SessionImage) -> PutOutcome:
        """Put an image; see the port.

        Raises:
            DamagedSideError: what is there already does not fit together.
        """
        try:
            return await self.store.put_image(image)
        except CorruptDocumentError as error:
            raise DamagedSideError(self.damage) from error
