"""From a dialled number to a recording on disk, in the SDK's words alone."""

import io
import wave

import freeclimb
from bridge import ACCOUNT, Application, Phone, assert_page, assert_resource, client, refused, until

api = client()
app = Application()

conference = api.create_a_conference(
    freeclimb.CreateConferenceRequest(record=True, status_callback_url=app.url("/conference"))
).conference_id
app.scripts["/voice"] = freeclimb.PerclScript(
    commands=[
        freeclimb.AddToConference(
            conference_id=conference,
            start_conf_on_enter=True,
            talk=True,
            listen=True,
            notification_url=app.url("/joined"),
            leave_conference_url=app.url("/left"),
        )
    ]
)
reception = api.create_an_application(
    freeclimb.ApplicationRequest(voice_url=app.url("/voice"), status_callback_url=app.url("/call"))
)
api.buy_a_phone_number(
    freeclimb.BuyIncomingNumberRequest(
        phone_number="+15550100100", application_id=reception.application_id
    )
)

first = Phone("+15550100100", seconds=9)
second = Phone("15550100100", seconds=5)
participants = until(
    "both have joined",
    lambda: len(api.list_participants(conference).participants) == 2
    and api.list_participants(conference).participants,
)

inbound = until("the application was asked", lambda: app.told("/voice"))[0]
assert isinstance(inbound, freeclimb.InboundCallWebhook), inbound
assert inbound.to == "+15550100100" and inbound.call_status == "ringing"
assert inbound.direction == "inbound" and inbound.account_id == ACCOUNT
joined = until("both are notified", lambda: len(app.told("/joined")) == 2 and app.told("/joined"))
assert all(isinstance(told, freeclimb.AddToConferenceNotificationWebhook) for told in joined)
assert {told.conference_id for told in joined} == {conference}

for participant in participants:
    assert_resource(participant)
    assert participant.talk is True and participant.listen is True
    same = api.get_a_participant(conference, participant.call_id)
    assert same.call_id == participant.call_id
assert sum(participant.start_conf_on_enter for participant in participants) == 1

muted = participants[0].call_id
changed = api.update_a_participant(
    conference,
    muted,
    update_conference_participant_request=freeclimb.UpdateConferenceParticipantRequest(
        talk=False, listen=False
    ),
)
assert changed.call_id == muted and changed.talk is False and changed.listen is False
assert_page(api.list_participants(conference, talk=True), 1)
assert [found.call_id for found in api.list_participants(conference, talk=False).participants] == [
    muted
]

live = api.list_calls(active=True)
assert_page(live, 2)
for call in live.calls:
    assert_resource(call)
    assert call.status == "inProgress" and call.direction == "inbound", call
    assert call.to == "+15550100100" and call.application_id == reception.application_id
    assert api.get_a_call(call.call_id).call_id == call.call_id

second.wait()
first.wait()
until("the conference is empty", lambda: api.get_a_conference(conference).status == "empty")

statuses = until(
    "the conference has told its story",
    lambda: len(app.told("/conference")) >= 4 and app.told("/conference"),
)
statuses = [told for told in statuses if isinstance(told, freeclimb.ConferenceStatusWebhook)]
assert [told.status for told in statuses] == ["empty", "populated", "inProgress", "empty"]
assert statuses[0].recording_id is None
ended = statuses[-1]
assert ended.recording_id and ended.recording_duration_sec >= 1, ended
assert ended.recording_url.endswith(f"/Recordings/{ended.recording_id}/Download"), ended

for call in until("the calls' ends are told", lambda: len(app.told("/call")) == 2 and app.told("/call")):
    assert isinstance(call, freeclimb.CallStatusWebhook), call
    assert call.call_status == "completed" and call.call_ended_reason == "farEndHangup", call
left = until("both have left", lambda: len(app.told("/left")) == 2 and app.told("/left"))
assert all(isinstance(told, freeclimb.LeaveConferenceWebhook) for told in left)
assert api.list_calls(active=True).calls == []
assert_page(api.list_calls(status="completed"), 2)

finished = until(
    "the recording is finished",
    lambda: [
        told
        for told in app.told("/conference")
        if isinstance(told, freeclimb.ConferenceRecordingStatusWebhook)
    ],
)[0]
assert finished.recording_id == ended.recording_id and finished.conference_id == conference

mix = api.get_a_recording(ended.recording_id)
assert_resource(mix)
assert mix.conference_id == conference and mix.call_id is None
assert abs(mix.duration_sec - ended.recording_duration_sec) <= 1, mix
recordings = until(
    "the mix and both tracks are listed",
    lambda: len(api.list_conference_recordings(conference).recordings) == 3
    and api.list_conference_recordings(conference).recordings,
)
tracks = [track for track in recordings if track.call_id]
assert len(tracks) == 2
assert {track.call_id for track in tracks} == {call.call_id for call in live.calls}
assert api.list_call_recordings(muted).recordings[0].call_id == muted
assert ended.recording_id in [found.recording_id for found in api.list_recordings().recordings]

downloaded = bytes(api.download_a_recording_file(ended.recording_id))
with wave.open(io.BytesIO(downloaded)) as audio:
    seconds = audio.getnframes() / audio.getframerate()
    assert audio.getsampwidth() == 2
    assert 0 <= mix.duration_sec - seconds < 1, (mix.duration_sec, seconds)
assert bytes(api.stream_a_recording_file(ended.recording_id)) == downloaded

api.delete_a_recording(ended.recording_id)
refused(
    freeclimb.exceptions.NotFoundException,
    lambda: api.download_a_recording_file(ended.recording_id),
)
assert ended.recording_id not in [found.recording_id for found in api.list_recordings().recordings]
