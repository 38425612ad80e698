# Where schemathesis.toml lets a request of the right shape be refused, this says for what.
import schemathesis

NOT_OF_SHAPE = {"unknown_role", "idempotency_key_reused"}


@schemathesis.check
def refused_for_a_reason_no_schema_can_give(ctx, response, case):
    meta = case.meta
    if meta is None or not meta.generation.mode.is_positive or response.status_code != 422:
        return
    assert response.json()["code"] in NOT_OF_SHAPE, response.text
