"""What the management API answers, as recorded."""

import json
from typing import Any

ENDPOINT_ID = "4eba9aaa-543f-4f8b-bbc1-30182252f85a"
PROJECT_ID = "87deae92-570e-443f-8ae8-4521fb43ad09"

SHARED_KEY = {
    "user_id": "billb",
    "time_created": "2023-11-07T16:51:04.896235+00:00",
    "description": "hav2-shared-key",
    "status": "Live",
    "id": "1205d9db-250a-4e71-b1a8-33fa3ffa05cc",
    "endpoint_id": ENDPOINT_ID,
    "time_updated": "2023-11-07T16:51:04.896235+00:00",
    "api_key": "a0e8e81f-697a-401a-b7c5-688788e0bb8a",
}
FIRST_KEY = {
    "user_id": "billb",
    "time_created": "2023-11-07T13:06:50.209626+00:00",
    "description": "First Key",
    "status": "Live",
    "id": "12fffa5a-c615-4271-a920-f4bb1b3da303",
    "endpoint_id": ENDPOINT_ID,
    "time_updated": "2023-11-07T13:06:50.209626+00:00",
    "api_key": "6fbc8f9d-34e2-47e4-983f-19a1845326b4",
}
STOPPED_ENDPOINT: dict[str, Any] = {
    "id": ENDPOINT_ID,
    "name": "hav2",
    "description": "",
    "project_id": PROJECT_ID,
    "project_name": "demo",
    "ml_app": "Generative Tuning 13B",
    "model_name": "GPT_13B_Human_Aligned_Instruction_Tuned_V2",
    "model_version": "1",
    "instances": 0,
    "instances_ready": 0,
    "instances_wanted": 1,
    "url": f"/api/predict/generic/{PROJECT_ID}/{ENDPOINT_ID}",
    "api_key": FIRST_KEY["api_key"],
    "status": "Stopped",
    "status_reason": "",
    "owner": "billb",
    "time_created": "2023-09-07T21:47:27.581072+00:00",
    "time_updated": "2023-11-07T17:02:07.939675+00:00",
    "api_keys": [SHARED_KEY, FIRST_KEY],
    "hyperparams": {},
    "arch": "SN10",
    "waiting": [],
    "warnings": [],
}
SETTING_UP = STOPPED_ENDPOINT | {"status": "SettingUp", "instances": 2, "instances_wanted": 2}
AWAITING = SETTING_UP | {
    "status": "AwaitingRDU",
    "waiting": [
        {"instance": 1, "reason": "nothing_free", "sentence": "0 of 8 RDUs are free.", "position": 3}
    ],
}
LIVE = SETTING_UP | {"status": "Live", "instances_ready": 2}
FAILED = SETTING_UP | {"status": "Failed", "status_reason": "The checkpoint is damaged."}

BASE_MODEL: dict[str, Any] = {
    "model_id": "61b4ff7d-fbaf-444d-9cba-7ac89187e375",
    "model_checkpoint_name": "GPT_13B_Base_Model",
    "architecture": "GPT 13B",
    "field_of_application": "language",
    "validation_loss": None,
    "validation_accuracy": None,
    "app_id": "57f6a3c8-1f04-488a-bb39-3cfc5b4a5d7a",
    "app_name": "Generative Tuning 13B",
    "dataset": {"info": "N/A\n", "url": ""},
    "sambanova_provided": True,
    "version": "1",
    "versions": ["1"],
    "description": "This is a randomly initialized model.\n\nGenerally speaking, it is expensive.",
    "created_time": "2023-03-23T00:00:00+00:00",
    "status": "Available",
    "steps": 0,
    "jobTypes": ["train"],
    "archs": [],
    "hyperparams": {"deploy": {}},
}
DEPLOYABLE = BASE_MODEL | {
    "jobTypes": ["deploy", "train"],
    "archs": ["SN10"],
    "hyperparams": {
        "deploy": {
            "sn10": {
                "imageVariants": [],
                "user_params": [
                    {
                        "FIELD_NAME": "model_parallel_rdus",
                        "DESCRIPTION": "RDUs that one instance runs on in parallel",
                        "TYPE_SPECIFIC_SETTINGS": {"deploy": {"DEFAULT": "4", "USER_MODIFIABLE": True}},
                        "CONSTRAINTS": None,
                    }
                ],
            }
        }
    },
}
TENANT = {
    "tenant_id": "0b8b5a0e-5a5e-4b61-9e07-3d1a3f7d7a11",
    "tenant_name": "default",
    "role": "TenantAdmin",
    "time_created": "2023-03-23T00:00:00+00:00",
    "rdus": [{"arch": "SN40L", "total": 16, "available": 11, "widest_free": 8}],
}
PROJECT = {
    "id": PROJECT_ID,
    "name": "demo",
    "status": "Available",
    "description": "Letters",
    "metadata": {"owner": "owen"},
    "time_created": "2023-11-07T13:06:50.209626+00:00",
    "time_updated": "2023-11-07T13:06:50.209626+00:00",
}
PLAN = {
    "model_name": "Help",
    "model_version": "1",
    "arch": "SN40L",
    "rdus_per_instance": 8,
    "rdus_required": 16,
    "rdus_total": 16,
    "rdus_available": 11,
    "widest_free": 8,
    "placed": [{"instance": 1, "node": "sn40l-1"}],
    "waiting": [{"instance": 2, "sentence": "3 RDUs are free in sn40l-2."}],
    "warnings": ["Insufficient RDUs in a single node: 1 of 2 instances will be Awaiting RDU."],
}

STARTING = {
    "id": "1",
    "instance": 1,
    "state": "starting",
    "time_state": "2023-11-07T13:06:50.209626+00:00",
    "node": "sn40l-1",
    "rdus": [0, 1],
    "reason": None,
    "sentence": None,
    "position": None,
    "phase": "loading",
    "percent": 45,
    "crashes": 0,
    "log_tail": [],
}
STOP = {
    "id": 7,
    "time": "2023-11-07T13:06:50.209626+00:00",
    "actor": "tina",
    "verb": "stop",
    "thing": "endpoint",
    "thing_id": ENDPOINT_ID,
    "thing_name": "hav2",
}


def frame(kind: str, data: dict[str, Any], number: int | None = None) -> str:
    named = "" if number is None else f"id: {number}\n"
    return f"event: {kind}\n{named}data: {json.dumps(data)}\n\n"


def state(endpoint: dict[str, Any], *instances: dict[str, Any]) -> str:
    return frame("endpoint", {"endpoint": endpoint, "instances": list(instances)}, 3)


SHARES: dict[str, Any] = {
    "general_access": "private",
    "shared_with": [
        {
            "type": "tenant",
            "id": "6b7cf7b0-4a9c-4d9e-a2fd-2d9c5b5f3a10",
            "name": "research",
            "role": "viewer",
        },
        {"type": "user", "id": "1b1f45ce-2c39-4f29-9a5c-0a3d8a1c9f60", "name": "mila", "role": "editor"},
    ],
    "all_tenants_allowed": False,
    "version": "0123456789abcdef",
}
ORGANIZATION = {"name": "Studio", "all_tenants_allowed": True}
