import pickle

import pytest

from sheaf_protocol.errors import (
    Fault,
    LocalProtocolError,
    ProtocolError,
    Refusal,
    RemoteProtocolError,
)


@pytest.mark.parametrize("kind", [Refusal, ProtocolError, LocalProtocolError, RemoteProtocolError])
def test_refusal_crosses_a_process_border_unchanged(kind: type[Refusal]) -> None:
    error = pickle.loads(pickle.dumps(kind("log.gap", "expected seq 8, got 9")))  # noqa: S301  # our own bytes

    assert type(error) is kind
    assert (error.code, error.detail) == ("log.gap", "expected seq 8, got 9")


@pytest.mark.parametrize("fault", list(Fault))
def test_fault_class_crosses_a_process_border(fault: Fault) -> None:
    error = pickle.loads(pickle.dumps(RemoteProtocolError("a.b", "c", fault)))  # noqa: S301  # our own bytes

    assert error.fault is fault


def test_remote_error_blames_the_sender_unless_told() -> None:
    assert RemoteProtocolError("enc.nil", "got nil").fault is Fault.SENDER


def test_text_names_code_and_detail() -> None:
    assert str(Refusal("config.unknown_key", "got prot")) == "config.unknown_key: got prot"


def test_every_refusal_is_caught_as_one() -> None:
    assert issubclass(RemoteProtocolError, ProtocolError)
    assert issubclass(LocalProtocolError, ProtocolError)
    assert issubclass(ProtocolError, Refusal)
