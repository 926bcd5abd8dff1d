"""Asks any server that implements `moat.detection.v1.DetectorService` (`protos/moat/detection/v1/detector_service.proto`)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import grpc
from moat.detection.v1 import detector_service_pb2, detector_service_pb2_grpc
from moat.mesh.v1 import content_pb2
from pydantic import Field, model_validator

from services.detection.detectors.endpoints import Address, host_of, is_loopback, read_secret
from services.detection.detectors.port import (
    Answer,
    Card,
    Detector,
    DetectorSettings,
    Found,
    Kind,
    NotThere,
    Opening,
    Place,
    Question,
    WrongAnswer,
)

_MOST_SENT = 64 * 1024 * 1024
_ABOUT_THE_CONTENT = frozenset((grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.OUT_OF_RANGE))


class Settings(DetectorSettings):
    """Of `settings`."""

    address: Address
    tls: bool = True
    """Without it only on this machine."""
    ca_file: Path | None = None
    """PEM; believed instead of the system's authorities."""
    certificate_file: Path | None = None
    """PEM; who we are, if it wants to know. With `key_file`."""
    key_file: Path | None = None
    secret_file: Path | None = None
    """Its content is sent as `authorization: Bearer ...`."""
    max_answer_bytes: int = Field(default=262_144, ge=64, le=8 * 1024 * 1024)

    @model_validator(mode="after")
    def _safe(self) -> Settings:
        if not self.tls and not is_loopback(host_of(self.address)):
            raise ValueError(f"{host_of(self.address)} is not this machine: it needs TLS")
        if (self.certificate_file is None) != (self.key_file is None):
            raise ValueError("`certificate_file` and `key_file` belong together")
        return self

    def secrets(self) -> Sequence[Path]:
        """See `DetectorSettings`."""
        files = (self.ca_file, self.certificate_file, self.key_file, self.secret_file)
        return [path for path in files if path is not None]


class _Asks:
    def __init__(self, opening: Opening) -> None:
        settings: Settings = opening.settings
        self._name = opening.name
        self._secret = None if settings.secret_file is None else opening.folder / settings.secret_file
        options = (
            ("grpc.max_receive_message_length", settings.max_answer_bytes),
            ("grpc.max_send_message_length", _MOST_SENT),
            ("grpc.enable_http_proxy", 0),
            ("grpc.enable_retries", 0),
            ("grpc.initial_reconnect_backoff_ms", 50),
            ("grpc.max_reconnect_backoff_ms", 1000),
        )
        if settings.tls:
            credentials = grpc.ssl_channel_credentials(
                *(
                    _read(opening.folder, path)
                    for path in (settings.ca_file, settings.key_file, settings.certificate_file)
                )
            )
            self._channel = grpc.aio.secure_channel(settings.address, credentials, options)
        else:
            self._channel = grpc.aio.insecure_channel(settings.address, options)
        self._stub = detector_service_pb2_grpc.DetectorServiceStub(self._channel)

    async def ask(self, questions: Sequence[Question]) -> Sequence[Answer]:
        request = detector_service_pb2.DetectRequest(detector=self._name, items=[_item(one) for one in questions])
        metadata = () if self._secret is None else (("authorization", f"Bearer {read_secret(self._secret)}"),)
        try:
            response = await self._stub.Detect(request, metadata=metadata)
        except grpc.aio.AioRpcError as error:
            code = error.code()
            if code in _ABOUT_THE_CONTENT:
                raise WrongAnswer(f"it refuses the content with {code.name}") from None
            raise NotThere(f"it answers {code.name}") from None
        answers: list[Answer] = [WrongAnswer("it left this item out") for _ in questions]
        for result in response.results:
            if result.index < len(answers):
                answers[result.index] = _answer(result)
        return answers

    async def close(self) -> None:
        await self._channel.close(None)


def _read(folder: Path, path: Path | None) -> bytes | None:
    return None if path is None else (folder / path).read_bytes()


def _item(question: Question) -> detector_service_pb2.DetectItem:
    item = detector_service_pb2.DetectItem(language=question.language, surface=question.surface)
    if question.kind is Kind.TEXT:
        item.content.text.text = question.text.encode("utf-8", "replace").decode()
    elif question.kind is Kind.IMAGE:
        item.content.image.CopyFrom(content_pb2.ImageContent(data=question.data, media_type=question.media_type))
    else:
        item.content.audio.CopyFrom(content_pb2.AudioContent(data=question.data, media_type=question.media_type))
    return item


def _answer(result: detector_service_pb2.DetectResult) -> Answer:
    if result.HasField("error"):
        return WrongAnswer("it could not say anything of this item")
    scores = {one.category: one.probability for one in result.scores}
    if len(scores) != len(result.scores):
        return WrongAnswer("it scored a category twice")
    return Found(scores, result.cost_micros)


DETECTOR = Detector(
    Card(
        name="grpc_endpoint_answers",
        summary="asks a gRPC server that implements DetectorService",
        version="1",
        kinds=frozenset(Kind),
        place=Place.GRPC,
        settings=Settings,
    ),
    _Asks,
)
