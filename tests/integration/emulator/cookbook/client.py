"""
The way of the API's Python cookbook: a workspace, a template, uploads, one batch, then every session's results.

    python client.py BASE_URL TOKEN SCHEMA_JSON POLL_SECONDS FILE...

Prints a JSON object: file name to status, values, and the confidence of each value.
"""

import json
import sys
import time
from pathlib import Path

import requests

CONTENT_TYPES = {".pdf": "application/pdf", ".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg"}


class RaydocsClient:
    def __init__(self, base_url, token):
        self.base_url = base_url
        # The cookbook sends all three with every request, those without a body too.
        self.headers = {
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/json",
            "Accept": "application/json",
        }

    def request(self, method, path, body=None):
        answer = requests.request(method, self.base_url + path, headers=self.headers, json=body, timeout=30)
        answer.raise_for_status()
        return answer.json() if answer.content else {}

    def create_workspace(self, name, icon):
        return self.request("POST", "/workspaces/create", {"name": name, "icon": icon})

    def list_workspaces(self):
        return self.request("GET", "/workspaces")["data"]

    def create_template(self, workspace_id, name, schema):
        body = {"workspace_id": workspace_id, "name": name, "description": "From the cookbook", "schema_json": schema}
        return self.request("POST", "/extractions/templates", body)

    def list_templates(self, workspace_id):
        return self.request("GET", f"/workspaces/{workspace_id}/extractions/templates")["data"]

    def upload(self, path):
        content_type = CONTENT_TYPES.get(Path(path).suffix.lower(), "application/octet-stream")
        wanted = {"content_type": content_type, "visibility": "private"}
        signed = self.request("POST", "/vapor/signed-storage-url", wanted)
        headers = {"Content-Type": content_type}
        headers.update(signed.get("headers", {}))
        with Path(path).open("rb") as file:
            # A plain PUT: the storage wants no Authorization.
            requests.put(signed["url"], headers=headers, data=file, timeout=30).raise_for_status()
        return signed["key"]

    def batch_create(self, template_id, keys):
        body = {"files": keys, "settings": {"auto_extract": True}}
        return self.request("POST", f"/extractions/templates/{template_id}/sessions/batch", body)

    def wait_for_result(self, session_id, poll_seconds, timeout=60):
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            results = self.request("GET", f"/extractions/sessions/{session_id}/results").get("data", [])
            if results:
                result = self.request("GET", f"/extractions/results/{results[0]['id']}")
                if result["status"] in ("completed", "failed"):
                    return result
            time.sleep(poll_seconds)
        raise TimeoutError(session_id)


def main(base_url, token, schema, poll_seconds, *files):
    client = RaydocsClient(base_url, token)
    workspace = client.create_workspace("Cookbook", "📊")
    assert workspace["id"] in [each["id"] for each in client.list_workspaces()]
    template = client.create_template(workspace["id"], "Invoices", json.loads(schema))
    assert template["id"] in [each["id"] for each in client.list_templates(workspace["id"])]
    keys = [client.upload(path) for path in files]
    sessions = client.batch_create(template["id"], keys)
    report = {}
    for path, session in zip(files, sessions, strict=True):
        result = client.wait_for_result(session["id"], float(poll_seconds))
        confidence = {
            group: {field: why.get("confidence") for field, why in fields.items()}
            for group, fields in (result.get("reasoning") or {}).items()
        }
        report[Path(path).name] = {
            "status": result["status"],
            "error": result.get("error"),
            "data": result["data"],
            "confidence": confidence,
        }
    print(json.dumps(report))


main(*sys.argv[1:])
