"""What Schemathesis cannot know of Registrar's errors, beside its own checks."""

import os

import schemathesis

# Where schemathesis.toml lets a request of the right shape be refused, it is for one of these.
NOT_OF_SHAPE = {
    "unknown_role",
    "idempotency_key_reused",
    "password_rejected",
    "registration_rejected",
}


def body_of(response):
    body = response.json() if "json" in response.headers.get("content-type", [""])[0] else None
    return body if isinstance(body, dict) else {}


def reasons_of(response):
    """The code, or at doors of other systems what is said of each field."""
    body = body_of(response)
    fields = body.get("detail")
    return {field["type"] for field in fields} if isinstance(fields, list) else {body.get("code")}


# It may end every session of its caller: not of the person whose token all other requests need.
@schemathesis.hook
def before_call(ctx, case, kwargs):
    if case.operation.definition.raw.get("operationId") != "doorLogout":
        return
    if "Authorization" in (case.headers or {}):
        case.headers["Authorization"] = f"Bearer {os.environ['REGISTRAR_OTHER_TOKEN']}"


@schemathesis.check
def refused_for_a_reason_no_schema_can_give(ctx, response, case):
    meta = case.meta
    if meta is None or not meta.generation.mode.is_positive or response.status_code != 422:
        return
    # No schema of parameters can say that exactly one of two is required, and no schema knows which
    # destinations are configured.
    if case.operation.definition.raw.get("operationId") in {"findUsers", "redeliverOutbox"}:
        return
    assert reasons_of(response) <= NOT_OF_SHAPE, response.text


@schemathesis.check
def answers_only_codes_of_its_examples(ctx, response, case):
    code = body_of(response).get("code")
    # No operation is at fault for a method that is not there.
    if response.status_code < 400 or code is None or code == "method_not_allowed":
        return
    answers = case.operation.definition.raw["responses"].get(str(response.status_code), {})
    examples = [media.get("examples", {}) for media in answers.get("content", {}).values()]
    assert any(code in given for given in examples), f"{code} has no example: {response.text}"
