"""Every command of a call's scripts, written with the SDK and told in the SDK's own models."""

import freeclimb
from bridge import Application, Phone, client, until

OWN, THEIRS = "+15550100100", "+15550109999"

api = client()
app = Application()
queue = api.create_a_queue(freeclimb.QueueRequest(alias="scripts")).queue_id
conference = {}


def script(*commands):
    return freeclimb.PerclScript(commands=list(commands))


app.scripts["/voice"] = script(
    freeclimb.Say(text="Welcome. <break/>", language="en-US"),
    freeclimb.GetDigits(
        action_url=app.url("/digits"),
        max_digits=4,
        finish_on_key="#",
        initial_timeout_ms=20_000,
        prompts=[freeclimb.Say(text="Your number, please."), freeclimb.Pause(length=100)],
    ),
)
app.scripts["/digits"] = script(
    freeclimb.StartRecordCall(),
    freeclimb.SendDigits(digits="12#", pause_ms=100),
    freeclimb.RecordUtterance(
        action_url=app.url("/utterance"), max_length_sec=1, auto_start=False, play_beep=True
    ),
)
app.scripts["/utterance"] = script(freeclimb.Redirect(action_url=app.url("/redirect")))
app.scripts["/redirect"] = script(
    freeclimb.Enqueue(
        queue_id=queue,
        action_url=app.url("/taken"),
        wait_url=app.url("/wait"),
        notification_url=app.url("/queued"),
    )
)
app.scripts["/wait"] = script(freeclimb.Pause(length=500), freeclimb.Dequeue())
app.scripts["/taken"] = script(
    freeclimb.CreateConference(action_url=app.url("/created"), play_beep="never")
)
app.scripts["/created"] = script(
    freeclimb.OutDial(
        destination=THEIRS,
        calling_number=OWN,
        action_url=app.url("/dialled"),
        call_connect_url=app.url("/connected"),
        status_callback_url=app.url("/child"),
        timeout=20,
    )
)
app.scripts["/dialled"] = lambda told: script(
    freeclimb.AddToConference(
        conference_id=app.told("/created")[0].conference_id,
        leave_conference_url=app.url("/left"),
        allow_call_control=True,
        call_control_sequence="*",
        call_control_url=app.url("/control"),
    )
)
app.scripts["/control"] = script(
    freeclimb.SetTalk(talk=False), freeclimb.SetListen(listen=True),
    freeclimb.SetDTMFPassThrough(dtmf_pass_through=False),
)
app.scripts["/connected"] = script(freeclimb.Pause(length=200), freeclimb.Hangup())
app.scripts["/left"] = script(freeclimb.Hangup(reason="over"))

reception = api.create_an_application(
    freeclimb.ApplicationRequest(voice_url=app.url("/voice"), status_callback_url=app.url("/status"))
)
api.buy_a_phone_number(
    freeclimb.BuyIncomingNumberRequest(
        phone_number=OWN, application_id=reception.application_id
    )
)


def told(path, model):
    """The first webhook of a path, which must be of this model."""
    webhook = until(f"{path} is told", lambda: app.told(path))[0]
    assert type(webhook) is model, (path, webhook)
    return webhook


phone = Phone(OWN, seconds=0, keys="42#", late_keys="*")
inbound = told("/voice", freeclimb.InboundCallWebhook)
call = inbound.call_id
digits = told("/digits", freeclimb.GetDigitsWebhook)
assert digits.digits == "42" and digits.reason == "finishKey" and digits.call_id == call
utterance = told("/utterance", freeclimb.RecordWebhook)
assert utterance.term_reason == "maxLength" and utterance.recording_format == "audio/wav"
assert utterance.recording_duration_sec >= 1 and int(utterance.recording_size) > 1000
assert utterance.recording_url.endswith(f"/Recordings/{utterance.recording_id}/Download")
redirect = told("/redirect", freeclimb.RedirectWebhook)
assert redirect.call_id == call
queued = told("/queued", freeclimb.AddToQueueNotificationWebhook)
assert queued.queue_id == queue
waits = told("/wait", freeclimb.QueueWaitWebhook)
assert waits.queue_position == "1" and waits.current_queue_size == 1, waits
taken = told("/taken", freeclimb.DequeueWebhook)
assert taken.queue_result == "dequeued" and taken.queue_time >= 0, taken
created = told("/created", freeclimb.CreateConferenceWebhook)
dialled = told("/dialled", freeclimb.OutDialStartWebhook)
assert dialled.call_id == call
connected = told("/connected", freeclimb.OutDialConnectWebhook)
assert connected.parent_call_id == call and connected.call_status == "inProgress"
assert connected.as_sent["dialCallStatus"] == "inProgress", connected.as_sent
child = told("/child", freeclimb.CallStatusWebhook)
assert child.call_status == "completed" and child.direction == "outboundDial", child
control = told("/control", freeclimb.CallControlWebhook)
assert control.digits == "*" and control.conference_id == created.conference_id


def muted():
    participant = api.get_a_participant(created.conference_id, call)
    return participant.talk is False and participant.dtmf_pass_through is False


until("the caller is muted", muted)
api.remove_a_participant(created.conference_id, call)
left = told("/left", freeclimb.LeaveConferenceWebhook)
assert left.conference_id == created.conference_id
status = told("/status", freeclimb.CallStatusWebhook)
assert status.call_ended_reason == "appHangup", status
whole_call = status.as_sent["recordingId"]
assert status.as_sent["recordingDurationSec"] >= 2, status.as_sent
assert status.as_sent["recordingUrl"].endswith(f"/Recordings/{whole_call}/Download")
phone.wait()

recordings = until(
    "both recordings are ready",
    lambda: len(api.list_call_recordings(call).recordings) == 2
    and api.list_call_recordings(call).recordings,
)
assert {one.recording_id for one in recordings} == {whole_call, utterance.recording_id}
assert bytes(api.download_a_recording_file(whole_call))[:4] == b"RIFF"

# A call over REST, with the application's URLs.
api.update_an_application(
    reception.application_id,
    application_request=freeclimb.ApplicationRequest(call_connect_url=app.url("/api")),
)
app.scripts["/api"] = script(freeclimb.Hangup())
made = api.make_a_call(
    make_call_request=freeclimb.MakeCallRequest(
        var_from=OWN, to=THEIRS, application_id=reception.application_id, timeout=20
    )
)
assert made is not None and made.status == "queued" and made.direction == "outboundAPI", made
connected = told("/api", freeclimb.OutDialApiConnectWebhook)
assert connected.call_id == made.call_id
assert connected.as_sent["dialCallStatus"] == "inProgress", connected.as_sent
until("the call is over", lambda: api.get_a_call(made.call_id).status == "completed")
logs = until("the call has a log", lambda: (p := api.list_call_logs(made.call_id)).total and p)
assert any("/api" in log.message for log in logs.logs), logs

# Somebody waits in the queue until REST takes them out: the front, and by name.
app.scripts["/voice"] = script(
    freeclimb.Enqueue(
        queue_id=queue, action_url=app.url("/released"), wait_url=app.url("/waiting")
    )
)
app.scripts["/waiting"] = script(freeclimb.Pause(length=60_000))
app.scripts["/released"] = script(freeclimb.Hangup())
for turn, take in enumerate(
    (
        lambda member: api.dequeue_head_member(queue),
        lambda member: api.dequeue_a_member(queue, member.call_id),
    )
):
    phone = Phone(OWN, seconds=None)
    until("somebody waits", lambda: len(app.told("/waiting")) == turn + 1)
    member = api.get_head_member(queue)
    assert member.position == 1 and member.wait_time >= 0 and member.date_enqueued, member
    assert member.call_id == app.told("/waiting")[turn].call_id
    assert api.get_a_member(queue, member.call_id).call_id == member.call_id
    assert [one.call_id for one in api.list_members(queue).queue_members] == [member.call_id]
    assert take(member).call_id == member.call_id
    until("the application is asked", lambda: len(app.told("/released")) == turn + 1)
    phone.wait()
assert api.get_a_queue(queue).current_size == 0
