"""The account, its queues, its logs and its tokens; and what is no part of this bridge."""

import base64
import json
import re
import time

import freeclimb
from bridge import ACCOUNT, assert_page, assert_resource, client, refused, until

api = client()
NOBODY = "0" * 40

# The account.
account = api.get_an_account()
assert account.account_id == ACCOUNT and account.type == "full" and account.status == "active"
assert account.subresource_uris["conferences"].endswith("/Conferences")
assert api.update_an_account(freeclimb.AccountRequest(alias="acme", label="test")) is None
account = api.get_an_account()
assert account.alias == "acme" and account.label == "test"

# Queues.
queue = api.create_a_queue(freeclimb.QueueRequest(alias="support", max_size=3))
assert_resource(queue)
assert queue.queue_id.startswith("QU") and queue.account_id == ACCOUNT
assert queue.max_size == 3 and queue.current_size == 0 and queue.alias == "support"
assert queue.average_wait_time == 0 and queue.average_queue_removal_time == 0
assert queue.subresource_uris["members"].endswith("/Members")
plain = api.create_a_queue()
assert plain.max_size == 100 and plain.alias is None
changed = api.update_a_queue(
    queue.queue_id, queue_request=freeclimb.QueueRequest(alias="sales", max_size=9)
)
assert changed.alias == "sales" and changed.max_size == 9
assert api.get_a_queue(queue.queue_id).alias == "sales"
page = api.list_active_queues()
assert_page(page, 2)
assert [found.queue_id for found in page.queues] == [plain.queue_id, queue.queue_id]
assert_page(api.list_active_queues(alias="sales"), 1)
members = api.list_members(queue.queue_id)
assert_page(members, 0)
assert members.queue_members == []
for missing in (
    lambda: api.get_a_queue("QU" + NOBODY),
    lambda: api.get_head_member(queue.queue_id),
    lambda: api.get_a_member(queue.queue_id, "CA" + NOBODY),
    lambda: api.dequeue_head_member(queue.queue_id),
    lambda: api.dequeue_a_member(queue.queue_id, "CA" + NOBODY),
    lambda: api.list_call_logs("CA" + NOBODY),
):
    refused(freeclimb.exceptions.NotFoundException, missing)
for wrong in (0, 1001):
    refused(
        freeclimb.exceptions.BadRequestException,
        lambda: api.create_a_queue(freeclimb.QueueRequest(max_size=wrong)),
    )

# Logs.
logs = until("the requests are logged", lambda: (p := api.list_all_account_logs()).total >= 10 and p)
for log in logs.logs:
    assert log.account_id == ACCOUNT and log.level in ("info", "warning", "error"), log
    assert abs(log.timestamp / 1e6 - time.time()) < 600, "microseconds since 1970"
    assert isinstance(log.metadata, dict) and log.message, log
posted = [log for log in logs.logs if re.search(r"POST .*/Queues\b.* 201", log.message)]
assert len(posted) == 2 and all(log.request_id.startswith("RQ") for log in posted), posted


def filtered(pql):
    return api.filter_logs(freeclimb.FilterLogsRequest(pql=pql)).logs


known = posted[0].request_id
assert {log.request_id for log in filtered(f'requestId = "{known}"')} == {known}
assert all(log.level == "info" for log in filtered('level = "INFO"'))
assert filtered(f"timestamp > {posted[0].timestamp + 3_600_000_000}") == []
later = filtered(f"timestamp > {posted[1].timestamp} AND level = \"info\"")
assert all(log.timestamp > posted[1].timestamp for log in later)
assert any("/Queues" in log.message for log in filtered('requestUrl CONTAINS "/Queues"'))
assert filtered('2020-06-22T19:42:53.376Z < timestamp < 2020-06-23T19:42:53.376Z') == []
for nonsense in ("level", 'level = info', 'color = "red"', 'level = "info" AND', "timestamp > x"):
    body = refused(freeclimb.exceptions.BadRequestException, lambda: filtered(nonsense))
    assert body["code"] == 5, body

# A token for a browser.
token = api.make_a_webrtc_jwt(
    freeclimb.CreateWebRTCToken(to="+15550100100", var_from="+15550109999", uses=2)
)
head, claims, signature = token.strip('"').split(".")
padded = claims + "=" * (-len(claims) % 4)
claims = json.loads(base64.urlsafe_b64decode(padded))
assert claims["custom"] == {"to": "+15550100100", "from": "+15550109999", "uses": 2}, claims
assert claims["exp"] > time.time() and signature

# What is no part of this bridge says so.
sms = freeclimb.MessageRequest(to="+15550109999", var_from="+15550100100", text="hi")
for out in (
    lambda: api.send_an_sms_message(sms),
    lambda: api.list_sms_messages(),
    lambda: api.get_ten_dlc_sms_campaigns(),
    lambda: api.get_ten_dlc_sms_brands(),
    lambda: api.get_ten_dlc_sms_partner_campaigns(),
    lambda: api.get_toll_free_sms_campaigns(),
):
    body = refused(freeclimb.exceptions.ApiException, out)
    assert len(body["message"]) > 20, body
