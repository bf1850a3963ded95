"""Errors: the exceptions that the SDK raises, and the body that it shows."""

import json
import urllib.error
import urllib.request

import freeclimb
from bridge import ACCOUNT, API_KEY, HOST, client, refused

api = client()
NOBODY = "0" * 40

refused(
    freeclimb.exceptions.UnauthorizedException,
    lambda: client(api_key="f" * 40).list_conferences(),
)
for missing in (
    lambda: api.get_a_conference("CF" + NOBODY),
    lambda: api.get_a_conference("nonsense"),
    lambda: api.get_a_call("CA" + NOBODY),
    lambda: api.get_a_recording("RE" + NOBODY),
    lambda: api.delete_a_recording("RE" + NOBODY),
    lambda: api.download_a_recording_file("RE" + NOBODY),
    lambda: api.get_an_application("AP" + NOBODY),
    lambda: api.get_an_incoming_number("PN" + NOBODY),
    lambda: api.update_a_live_call("CA" + NOBODY, freeclimb.UpdateCallRequest(status="completed")),
    lambda: api.list_participants("CF" + NOBODY),
):
    refused(freeclimb.exceptions.NotFoundException, missing)

conference = api.create_a_conference().conference_id
body = refused(
    freeclimb.exceptions.NotFoundException,
    lambda: api.get_a_participant(conference, "CA" + NOBODY),
)
assert body["code"] == 66, body


def raw(method, path, body=None, key=API_KEY):
    """A request that no SDK would send."""
    import base64

    request = urllib.request.Request(f"{HOST}{path}", data=body, method=method)
    token = base64.b64encode(f"{ACCOUNT}:{key}".encode()).decode()
    request.add_header("Authorization", f"Basic {token}")
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


account = f"/Accounts/{ACCOUNT}"
bad_requests = [
    (400, f"{account}/Conferences", b'{"playBeep": "sometimes"}'),
    (400, f"{account}/Conferences", b'{"alias": "' + b"x" * 65 + b'"}'),
    (400, f"{account}/Conferences", b'{"record": "yes"}'),
    (400, f"{account}/Conferences/{conference}", b'{"status": "inProgress"}'),
    (400, f"{account}/IncomingPhoneNumbers", b"{}"),
    (413, f"{account}/Conferences", b'{"alias": "' + b"x" * (2 << 20) + b'"}'),
]
for status, path, request in bad_requests:
    answered, body = raw("POST", path, request)
    assert answered == status, (answered, status, path, body)
    assert json.loads(body)["status"] == status, body

answered, body = raw("POST", f"{account}/Conferences", b"{not json")
assert answered in (400, 422) and json.loads(body)["status"] == answered, (answered, body)
answered, body = raw("PUT", f"{account}/Conferences", b"{}")
assert answered == 405 and json.loads(body)["code"] == 2, (answered, body)
answered, body = raw("GET", f"{account}/Nonsense")
assert answered == 404 and json.loads(body)["status"] == 404, (answered, body)
answered, body = raw("GET", "/Accounts/AC" + "9" * 40 + "/Conferences")
assert answered in (401, 403, 404), (answered, body)

# Nulls and unknown fields are tolerated; older SDKs send both.
answered, body = raw(
    "POST", f"{account}/Conferences", b'{"alias": null, "waitUrl": null, "requestId": "RQ1", "x": 1}'
)
assert answered == 200 and json.loads(body)["alias"] is None, (answered, body)
