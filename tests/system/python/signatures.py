"""What is signed is believed by both official verifiers, and nothing else is."""

import base64
import random
import time

import freeclimb
import standardwebhooks
from bridge import SIGNING_SECRET, Application, client, until
from freeclimb.utils.request_verifier import RequestVerifier
from freeclimb.utils.signature_information import SignatureInformation

TIMES = 1000

api = client()
app = Application()
for _ in range(3):
    api.create_a_conference(
        freeclimb.CreateConferenceRequest(status_callback_url=app.url("/status"))
    )
until("three are told", lambda: len(app.raw) >= 3)
standard = standardwebhooks.Webhook(base64.b64encode(SIGNING_SECRET.encode()).decode())
chance = random.Random(20_240_817)


def freeclimb_believes(body, headers):
    # The SDK keeps every signature that it has seen; each verification begins anew here.
    SignatureInformation.signatures = []
    try:
        RequestVerifier.verify_request_signature(
            body, headers["FreeClimb-Signature"], SIGNING_SECRET
        )
        return True
    except Exception:
        return False


def standard_believes(body, headers):
    try:
        standard.verify(body, headers)
        return True
    except standardwebhooks.webhooks.WebhookVerificationError:
        return False


def tampered(text):
    """The same with one character changed."""
    at = chance.randrange(len(text))
    other = chance.choice([c for c in "0123456789abcdef" if c != text[at]])
    return text[:at] + other + text[at + 1 :]


good = 0
for n in range(TIMES):
    body, headers = app.raw[n % 3]
    good += freeclimb_believes(body, headers) and standard_believes(body, headers)
assert good == TIMES, good

believed = 0
for n in range(TIMES):
    body, headers = app.raw[n % 3]
    headers = dict(headers)
    kind = n % 3
    if kind == 0:
        body = tampered(body)
    elif kind == 1:
        old = headers["FreeClimb-Signature"]
        stamp = old.split(",")[0]
        headers["FreeClimb-Signature"] = old.replace(stamp, f"t={int(stamp[2:]) - 1 - n}")
        headers["webhook-timestamp"] = str(int(headers["webhook-timestamp"]) - 1 - n % 200)
    else:
        signature = headers["FreeClimb-Signature"].split("v1=")
        headers["FreeClimb-Signature"] = signature[0] + "v1=" + tampered(signature[1])
        headers["webhook-id"] = tampered(headers["webhook-id"])
    believed += freeclimb_believes(body, headers) or standard_believes(body, headers)
assert believed == 0, believed

old = 0
for n in range(TIMES):
    body, headers = app.raw[n % 3]
    aged = dict(headers)
    aged["webhook-timestamp"] = str(int(time.time()) - 400 - n)
    old += standard_believes(body, aged)
assert old == 0, old
print(f"{TIMES} good, {TIMES} tampered, {TIMES} old: all judged right")
