"""The generation before: FreeClimb's Python SDK 4.9.0 calls every method of voice."""

import os
import time

import freeclimb
from freeclimb.api.default_api import DefaultApi

ACCOUNT = os.environ["TUTTI_ACCOUNT"]
OWN, THEIRS = "+15550100100", "+15550109999"
NOBODY = "0" * 40

configuration = freeclimb.Configuration(
    host=os.environ["TUTTI_HOST"], username=ACCOUNT, password=os.environ["TUTTI_API_KEY"]
)
api = DefaultApi(freeclimb.ApiClient(configuration))


def until(what, probe, patience=30):
    deadline = time.monotonic() + patience
    while not (answer := probe()):
        assert time.monotonic() < deadline, f"waited in vain until {what}"
        time.sleep(0.1)
    return answer


def refused(status, call):
    try:
        answer = call()
    except freeclimb.ApiException as error:
        assert error.status == status, (error.status, error.body)
        return
    raise AssertionError(f"answered {answer} instead of {status}")


assert freeclimb.__version__ == "4.9.0"

# The account.
assert api.get_an_account().account_id == ACCOUNT
api.update_an_account(account_request=freeclimb.AccountRequest(alias="old"))
assert api.get_an_account().alias == "old"

# Applications and numbers.
app = api.create_an_application(
    application_request=freeclimb.ApplicationRequest(
        alias="app", call_connect_url="http://127.0.0.1:9/connect"
    )
)
assert api.get_an_application(app.application_id).alias == "app"
changed = api.update_an_application(
    app.application_id, application_request=freeclimb.ApplicationRequest(alias="desk")
)
assert changed.alias == "desk"
assert api.list_applications(alias="desk").applications[0].application_id == app.application_id
number = api.buy_a_phone_number(
    freeclimb.BuyIncomingNumberRequest(phone_number=OWN, application_id=app.application_id)
)
assert api.get_an_incoming_number(number.phone_number_id).phone_number == OWN
changed = api.update_an_incoming_number(
    number.phone_number_id, incoming_number_request=freeclimb.IncomingNumberRequest(alias="main")
)
assert changed.alias == "main"
assert len(api.list_incoming_numbers(alias="main").incoming_phone_numbers) == 1
api.list_available_numbers()

# Conferences.
conference = api.create_a_conference(
    create_conference_request=freeclimb.CreateConferenceRequest(alias="room", record=True)
)
assert conference.status == "empty" and conference.alias == "room"
assert api.get_a_conference(conference.conference_id).conference_id == conference.conference_id
api.update_a_conference(
    conference.conference_id,
    update_conference_request=freeclimb.UpdateConferenceRequest(alias="hall"),
)
assert len(api.list_conferences(alias="hall").conferences) == 1
assert api.list_participants(conference.conference_id).participants == []
assert api.list_conference_recordings(conference.conference_id).recordings == []
refused(404, lambda: api.get_a_participant(conference.conference_id, "CA" + NOBODY))
refused(404, lambda: api.remove_a_participant(conference.conference_id, "CA" + NOBODY))
refused(
    404,
    lambda: api.update_a_participant(
        conference.conference_id,
        "CA" + NOBODY,
        update_conference_participant_request=freeclimb.UpdateConferenceParticipantRequest(
            talk=False
        ),
    ),
)

# Calls.
made = api.make_a_call(
    make_call_request=freeclimb.MakeCallRequest(
        _from=OWN, to=THEIRS, application_id=app.application_id
    )
)
assert made.status == "queued", made
api.update_a_live_call(
    made.call_id, freeclimb.UpdateCallRequest(status=freeclimb.UpdateCallRequestStatus("canceled"))
)
until("the call is over", lambda: str(api.get_a_call(made.call_id).status) in ("canceled", "completed"))
assert len(api.list_calls(to=THEIRS).calls) == 1
assert api.list_call_recordings(made.call_id).recordings == []
until("the call has a log", lambda: api.list_call_logs(made.call_id).logs)

# Recordings.
assert api.list_recordings().recordings == []
for missing in (
    api.get_a_recording,
    api.delete_a_recording,
    api.download_a_recording_file,
    api.stream_a_recording_file,
):
    refused(404, lambda: missing("RE" + NOBODY))

# Queues.
queue = api.create_a_queue(queue_request=freeclimb.QueueRequest(alias="queue", max_size=5))
assert queue.max_size == 5 and queue.current_size == 0
assert api.get_a_queue(queue.queue_id).alias == "queue"
changed = api.update_a_queue(queue.queue_id, queue_request=freeclimb.QueueRequest(alias="line"))
assert changed.alias == "line"
assert len(api.list_active_queues(alias="line").queues) == 1
assert api.list_members(queue.queue_id).queue_members == []
refused(404, lambda: api.get_head_member(queue.queue_id))
refused(404, lambda: api.dequeue_head_member(queue.queue_id))
refused(404, lambda: api.get_a_member(queue.queue_id, "CA" + NOBODY))
refused(404, lambda: api.dequeue_a_member(queue.queue_id, "CA" + NOBODY))

# Logs and tokens.
assert until("requests are logged", lambda: api.list_all_account_logs().logs)
assert api.filter_logs(freeclimb.FilterLogsRequest(pql='level = "info"')).logs
token = api.make_a_webrtc_jwt(freeclimb.CreateWebRTCToken(to=OWN, _from=THEIRS, uses=1))
assert token.strip('"').count(".") == 2

# What is over.
api.update_a_conference(
    conference.conference_id,
    update_conference_request=freeclimb.UpdateConferenceRequest(
        status=freeclimb.UpdateConferenceRequestStatus("terminated")
    ),
)
assert str(api.get_a_conference(conference.conference_id).status) == "terminated"
api.delete_an_incoming_number(number.phone_number_id)
api.delete_an_application(app.application_id)
refused(404, lambda: api.get_an_application(app.application_id))
