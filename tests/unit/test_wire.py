# SPDX-License-Identifier: Apache-2.0
"""The protocol's messages: every example is one, and nothing else is let in."""

import json

import pytest
from pydantic import ValidationError

from bbox_server.wire import example
from bbox_server.wire.command import COMMANDS
from bbox_server.wire.method import METHODS, NOTIFICATIONS, Method, Notification
from bbox_server.wire.session import FailureMessage
from docs.typescript import message_types


@pytest.mark.parametrize("method", [*METHODS, *COMMANDS], ids=lambda method: str(method.name))
def test_the_examples_of_a_method_are_its_messages(method: Method) -> None:
    sent = method.params.model_validate(method.sent)
    answered = method.result.model_validate(method.answered)
    assert sent == method.params.model_validate_json(sent.to_json())
    assert answered == method.result.model_validate_json(answered.to_json())


@pytest.mark.parametrize("notification", NOTIFICATIONS, ids=lambda item: str(item.name))
def test_the_example_of_a_notification_is_its_message(notification: Notification) -> None:
    sent = notification.params.model_validate(notification.sent)
    assert json.loads(sent.to_json()) == notification.sent


def test_a_failure_has_one_shape() -> None:
    message = FailureMessage.model_validate(example.FAILURE)
    assert json.loads(message.to_json()) == example.FAILURE


@pytest.mark.parametrize("method", METHODS, ids=lambda method: str(method.name))
def test_fields_that_nobody_knows_are_refused(method: Method) -> None:
    with pytest.raises(ValidationError):
        method.params.model_validate({**method.sent, "surprise": 1})


def test_names_are_there_once() -> None:
    names = [item.name for item in (*METHODS, *NOTIFICATIONS)]
    assert len(names) == len(set(names))


def test_every_message_is_a_type_of_the_extension() -> None:
    text = message_types()
    for method in METHODS:
        assert f" {method.params.__name__} " in text
        assert f" {method.result.__name__} " in text
