//! What happens in the demo, in which order?
//!
//! One conference from `empty` over `populated` and `inProgress` back to `empty`, then `terminated`.
//! Each step asks for something, waits until the bridge says that it is so, and then leaves things
//! alone for a while: that stretch is a [`Phase`], which is judged afterwards.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde_json::{Value, json};

use super::DemoBridge;
use super::application::{Application, Received};
use super::cast::{DemoSound, Role, set, vocabulary};
use super::expectation::{Expectation, Phase};
use crate::caller::{Caller, CallerPlan};
use crate::leg::{Notes, Speech};
use crate::line::Line;
use crate::pacer::Pacer;
use crate::rest::Rest;
use crate::voice::Manner;

/// How long the bridge may take to do what it was asked.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long fetched sound may take until it is heard.
const FETCH_PATIENCE: Duration = Duration::from_secs(3);

/// How long the recordings may take to be complete.
const RECORDING_PATIENCE: Duration = Duration::from_secs(10);

/// How long the conference is left empty, so that the picture shows it.
const BREATH: Duration = Duration::from_millis(1_800);

/// The number that the demo's callers dial.
const DIALED_NUMBER: &str = "+12125550100";

const ADA: DemoSound = DemoSound::Voice(Role::Ada);
const BEN: DemoSound = DemoSound::Voice(Role::Ben);
const CLEO: DemoSound = DemoSound::Voice(Role::Cleo);

/// What happened, as far as the demo itself knows.
pub(super) struct Story {
    pub(super) began_at: Instant,
    pub(super) ended_at: Instant,
    pub(super) conference: Option<String>,
    pub(super) phases: Vec<Phase>,
    /// What was done, for the picture.
    pub(super) moments: Vec<(Instant, String)>,
    pub(super) callers: BTreeMap<Role, CallerStory>,
    pub(super) recordings: Vec<DownloadedRecording>,
    pub(super) received: Vec<Received>,
    /// Why the walk ended early.
    pub(super) stopped: Option<String>,
}

/// What happened to one caller.
#[derive(Default)]
pub(super) struct CallerStory {
    pub(super) answered_at: Option<Instant>,
    pub(super) left_at: Option<Instant>,
    /// When it spoke.
    pub(super) speech: Option<(Instant, Instant)>,
    /// When a privilege was withdrawn, and which.
    pub(super) withdrawn: Vec<(Instant, Instant, &'static str)>,
    pub(super) notes: Notes,
}

/// A recording that was fetched from the bridge.
pub(super) struct DownloadedRecording {
    pub(super) path: PathBuf,
    /// Whose track it is; `None` is the mix.
    pub(super) track: Option<Role>,
    pub(super) content: Vec<u8>,
}

/// Walks through the demo. What goes wrong on the way is part of the story.
pub(super) async fn walk(bridge: &DemoBridge, out: &Path) -> anyhow::Result<Story> {
    let began_at = Instant::now();
    let ip = bridge.sip.ip();
    let mut stage = Stage {
        application: Application::start(ip, bridge.signing_secret.clone()).await?,
        rest: Rest::new(&bridge.api_base, &bridge.account, &bridge.api_key)?,
        line: Arc::new(Line::open(ip).await?),
        pacer: Pacer::start(1)?,
        target: format!("sip:{DIALED_NUMBER}@{}", bridge.sip),
        out: out.to_owned(),
        conference: String::new(),
        on_stage: BTreeMap::new(),
        story: Story {
            began_at,
            ended_at: began_at,
            conference: None,
            phases: Vec::new(),
            moments: Vec::new(),
            callers: BTreeMap::new(),
            recordings: Vec::new(),
            received: Vec::new(),
            stopped: None,
        },
    };
    if let Err(error) = stage.play().await {
        stage.story.stopped = Some(format!("{error:#}"));
    }
    Ok(stage.end().await)
}

/// Where the demo takes place.
struct Stage {
    application: Application,
    rest: Rest,
    line: Arc<Line>,
    pacer: Pacer,
    /// Whom callers dial.
    target: String,
    out: PathBuf,
    conference: String,
    on_stage: BTreeMap<Role, Caller>,
    story: Story,
}

impl Stage {
    async fn play(&mut self) -> anyhow::Result<()> {
        self.create_everything().await?;
        self.ada_waits().await?;
        self.ben_starts_the_conference().await?;
        self.cleo_hears_a_prompt_and_joins().await?;
        self.ben_is_muted().await?;
        self.ada_stops_listening().await?;
        self.everybody_leaves().await?;
        self.fetch_recordings().await?;
        self.terminate().await
    }

    async fn create_everything(&mut self) -> anyhow::Result<()> {
        let url = |path: &str| self.application.url(path);
        let application = json!({
            "alias": "demo", "voiceUrl": url("voice"), "statusCallbackUrl": url("call"),
        });
        let application = self.rest.create_application(&application).await?;
        self.rest.take_number(DIALED_NUMBER, &application).await?;
        let conference = json!({
            "alias": "demo", "playBeep": "always", "record": true,
            "waitUrl": url("wait.wav"), "statusCallbackUrl": url("conference"),
        });
        self.conference = self.rest.create_conference(&conference).await?;
        self.story.conference = Some(self.conference.clone());
        self.note("created");
        self.require(1, "the conference's status empty", |one| {
            one.is_status("empty")
        })
        .await?;
        tokio::time::sleep(BREATH).await;
        Ok(())
    }

    async fn ada_waits(&mut self) -> anyhow::Result<()> {
        let join = self.join(&json!({"startConfOnEnter": false}));
        self.application.answer(Role::Ada, json!([join]));
        let asked_at = Instant::now();
        self.dial(Role::Ada).await?;
        self.note("Ada waits");
        self.require(1, "the conference's status populated", |one| {
            one.is_status("populated")
        })
        .await?;
        self.until_heard(Role::Ada, DemoSound::WaitMusic).await;
        let expectations = vec![
            throughout(Role::Ada, &[DemoSound::WaitMusic]),
            once(Role::Ada, DemoSound::EntryBeep),
        ];
        self.hold(
            "Ada waits",
            asked_at,
            Duration::from_millis(3_500),
            expectations,
        )
        .await;
        Ok(())
    }

    async fn ben_starts_the_conference(&mut self) -> anyhow::Result<()> {
        let join = self.join(&json!({"startConfOnEnter": true}));
        self.application.answer(Role::Ben, json!([join]));
        let asked_at = Instant::now();
        self.dial(Role::Ben).await?;
        self.note("Ben starts it");
        self.require(1, "the conference's status inProgress", |one| {
            one.is_status("inProgress")
        })
        .await?;
        let expectations = vec![
            throughout(Role::Ada, &[BEN]),
            throughout(Role::Ben, &[ADA]),
            once(Role::Ada, DemoSound::EntryBeep),
        ];
        self.hold(
            "Ada and Ben talk",
            asked_at,
            Duration::from_millis(3_500),
            expectations,
        )
        .await;
        Ok(())
    }

    async fn cleo_hears_a_prompt_and_joins(&mut self) -> anyhow::Result<()> {
        let play = json!({"Play": {"file": self.application.url("prompt.wav")}});
        let join = self.join(&json!({"startConfOnEnter": true}));
        self.application.answer(Role::Cleo, json!([play, join]));
        let asked_at = Instant::now();
        self.dial(Role::Cleo).await?;
        self.note("Cleo: prompt");
        self.until_heard(Role::Cleo, DemoSound::Prompt).await;
        let expectations = vec![
            throughout(Role::Cleo, &[DemoSound::Prompt]),
            throughout(Role::Ada, &[BEN]),
            throughout(Role::Ben, &[ADA]),
        ];
        self.hold(
            "Cleo hears a prompt",
            asked_at,
            Duration::from_millis(1_600),
            expectations,
        )
        .await;
        let asked_at = Instant::now();
        self.require(1, "the notification that Cleo joined", |one| {
            one.request_type == "addToConferenceNotification" && one.role() == Some(Role::Cleo)
        })
        .await?;
        self.note("Cleo joins");
        let expectations = vec![
            throughout(Role::Ada, &[BEN, CLEO]),
            throughout(Role::Ben, &[ADA, CLEO]),
            throughout(Role::Cleo, &[ADA, BEN]),
            once(Role::Ada, DemoSound::EntryBeep),
            once(Role::Ben, DemoSound::EntryBeep),
        ];
        self.hold(
            "all three talk",
            asked_at,
            Duration::from_secs(4),
            expectations,
        )
        .await;
        Ok(())
    }

    async fn ben_is_muted(&mut self) -> anyhow::Result<()> {
        let muted_at = self.set_privilege(Role::Ben, "talk", false).await?;
        self.note("Ben is muted");
        let expectations = vec![
            throughout(Role::Ada, &[CLEO]),
            throughout(Role::Ben, &[ADA, CLEO]),
            throughout(Role::Cleo, &[ADA]),
        ];
        self.hold(
            "Ben is muted",
            muted_at,
            Duration::from_millis(2_700),
            expectations,
        )
        .await;
        let unmuted_at = self.set_privilege(Role::Ben, "talk", true).await?;
        self.note("Ben is back");
        self.withdrawn(Role::Ben, muted_at, unmuted_at, "muted");
        self.hold(
            "Ben talks again",
            unmuted_at,
            Duration::from_millis(2_500),
            everybody(),
        )
        .await;
        Ok(())
    }

    async fn ada_stops_listening(&mut self) -> anyhow::Result<()> {
        let deaf_at = self.set_privilege(Role::Ada, "listen", false).await?;
        self.note("Ada: listen off");
        let expectations = vec![
            throughout(Role::Ada, &[]),
            throughout(Role::Ben, &[ADA, CLEO]),
            throughout(Role::Cleo, &[ADA, BEN]),
        ];
        self.hold(
            "Ada does not listen",
            deaf_at,
            Duration::from_millis(2_700),
            expectations,
        )
        .await;
        let back_at = self.set_privilege(Role::Ada, "listen", true).await?;
        self.note("Ada listens");
        self.withdrawn(Role::Ada, deaf_at, back_at, "listen off");
        self.hold(
            "Ada listens again",
            back_at,
            Duration::from_millis(2_500),
            everybody(),
        )
        .await;
        Ok(())
    }

    async fn everybody_leaves(&mut self) -> anyhow::Result<()> {
        let asked_at = Instant::now();
        self.hang_up(Role::Ben).await;
        self.note("Ben leaves");
        self.require(1, "the notice that Ben's call ended", |one| {
            one.request_type == "callStatus" && one.role() == Some(Role::Ben)
        })
        .await?;
        let expectations = vec![
            throughout(Role::Ada, &[CLEO]),
            throughout(Role::Cleo, &[ADA]),
            once(Role::Ada, DemoSound::ExitBeep),
            once(Role::Cleo, DemoSound::ExitBeep),
        ];
        self.hold(
            "Ben has left",
            asked_at,
            Duration::from_millis(2_700),
            expectations,
        )
        .await;
        self.hang_up(Role::Cleo).await;
        self.hang_up(Role::Ada).await;
        self.note("all leave");
        self.require(2, "the conference's second status empty", |one| {
            one.is_status("empty")
        })
        .await?;
        tokio::time::sleep(BREATH).await;
        Ok(())
    }

    async fn fetch_recordings(&mut self) -> anyhow::Result<()> {
        let is_ready = |one: &Received| one.request_type == "conferenceRecordingStatus";
        if !self
            .application
            .wait_for(1, RECORDING_PATIENCE, is_ready)
            .await
        {
            bail!("no conferenceRecordingStatus came within {RECORDING_PATIENCE:?}");
        }
        let calls = self.calls();
        let mut mixes = 0;
        for recording in self.rest.recordings(&self.conference).await? {
            let field = |name: &str| recording.get(name).and_then(Value::as_str);
            let id = field("recordingId").context("a recording has no recordingId")?;
            let track = field("callId").and_then(|call| calls.get(call)).copied();
            let name = match (track, field("callId")) {
                (Some(role), _) => role.name().to_lowercase(),
                (None, Some(call)) => bail!("recording {id} is a track of the unknown call {call}"),
                (None, None) => {
                    mixes += 1;
                    if mixes == 1 {
                        "mix".to_owned()
                    } else {
                        format!("mix-{mixes}")
                    }
                }
            };
            let content = self.download(id).await?;
            let path = self.out.join(format!("recording-{name}.wav"));
            tokio::fs::write(&path, &content)
                .await
                .with_context(|| path.display().to_string())?;
            self.story.recordings.push(DownloadedRecording {
                path,
                track,
                content,
            });
        }
        Ok(())
    }

    /// Fetches a recording; a track may need a moment longer than the mix that was announced.
    async fn download(&self, recording: &str) -> anyhow::Result<Vec<u8>> {
        let give_up_at = Instant::now() + PATIENCE;
        loop {
            match self.rest.download(recording).await {
                Ok(content) => return Ok(content.to_vec()),
                Err(error) if Instant::now() >= give_up_at => return Err(error),
                Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
            }
        }
    }

    async fn terminate(&mut self) -> anyhow::Result<()> {
        self.rest
            .update_conference(&self.conference, &json!({"status": "terminated"}))
            .await?;
        self.note("terminated");
        self.require(1, "the conference's status terminated", |one| {
            one.is_status("terminated")
        })
        .await?;
        let status = self.rest.conference_status(&self.conference).await?;
        if status != "terminated" {
            bail!("the conference reads {status} after its termination");
        }
        Ok(())
    }

    /// Whoever is still there hangs up; the story is complete.
    async fn end(mut self) -> Story {
        for role in Role::ALL {
            self.hang_up(role).await;
        }
        self.story.received = self.application.received();
        self.story.ended_at = Instant::now();
        self.story
    }

    /// The PerCL command that joins the conference.
    fn join(&self, options: &Value) -> Value {
        let mut join = json!({
            "conferenceId": self.conference,
            "notificationUrl": self.application.url("joined"),
            "leaveConferenceUrl": self.application.url("left"),
        });
        if let (Some(join), Some(options)) = (join.as_object_mut(), options.as_object()) {
            join.extend(options.clone());
        }
        json!({"AddToConference": join})
    }

    async fn dial(&mut self, role: Role) -> anyhow::Result<()> {
        let plan = CallerPlan {
            from: format!("sip:{}@{}", role.number(), self.line.ip()),
            target: self.target.clone(),
            codec: role.codec(),
            speech: Some(Speech {
                voice: role.voice(),
                manner: Manner::Syllables,
            }),
            vocabulary: vocabulary(),
            own: Some(DemoSound::Voice(role).index()),
            pips: None,
            recording: Some(
                self.out
                    .join(format!("heard-{}.wav", role.name().to_lowercase())),
            ),
        };
        let caller = Caller::dial(&self.line, &self.pacer, plan)
            .await
            .with_context(|| format!("{} calls {}", role.name(), self.target))?;
        caller.say(true);
        let story = self.story.callers.entry(role).or_default();
        story.answered_at = Some(caller.answered_at());
        self.on_stage.insert(role, caller);
        Ok(())
    }

    async fn hang_up(&mut self, role: Role) {
        let Some(caller) = self.on_stage.remove(&role) else {
            return;
        };
        let answered_at = caller.answered_at();
        let left_at = Instant::now();
        let notes = caller.hang_up().await;
        let story = self.story.callers.entry(role).or_default();
        story.left_at = Some(left_at);
        story.speech = Some((answered_at, left_at));
        story.notes = notes;
    }

    /// Changes a participant's privilege; says when it was asked for.
    async fn set_privilege(
        &self,
        role: Role,
        privilege: &str,
        on: bool,
    ) -> anyhow::Result<Instant> {
        let calls = self.calls();
        let call = calls
            .iter()
            .find(|(_, owner)| **owner == role)
            .map(|(call, _)| call.clone());
        let call = call.with_context(|| format!("no webhook told {}'s call id", role.name()))?;
        let asked_at = Instant::now();
        self.rest
            .update_participant(&self.conference, &call, &json!({privilege: on}))
            .await?;
        Ok(asked_at)
    }

    fn withdrawn(&mut self, role: Role, from: Instant, to: Instant, what: &'static str) {
        self.story
            .callers
            .entry(role)
            .or_default()
            .withdrawn
            .push((from, to, what));
    }

    /// Whose call is whose, as the webhooks told.
    fn calls(&self) -> BTreeMap<String, Role> {
        let received = self.application.received();
        let told = received
            .iter()
            .filter_map(|one| Some((one.text("callId")?.to_owned(), one.role()?)));
        told.collect()
    }

    /// Waits for webhooks of a kind; without them the demo cannot go on.
    async fn require(
        &self,
        many: usize,
        what: &str,
        is_of_kind: impl Fn(&Received) -> bool,
    ) -> anyhow::Result<()> {
        if self.application.wait_for(many, PATIENCE, is_of_kind).await {
            Ok(())
        } else {
            bail!("{what} did not come within {PATIENCE:?}")
        }
    }

    /// Waits until a fetched sound is there. If it never is, the phase that follows says so.
    async fn until_heard(&self, role: Role, sound: DemoSound) {
        let give_up_at = Instant::now() + FETCH_PATIENCE;
        let is_heard = || {
            self.on_stage
                .get(&role)
                .is_some_and(|caller| caller.audible().has(sound.index()))
        };
        while !is_heard() && Instant::now() < give_up_at {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Leaves things as they are for a while, and writes down what must be heard meanwhile.
    async fn hold(
        &mut self,
        title: &str,
        asked_at: Instant,
        duration: Duration,
        expectations: Vec<Expectation>,
    ) {
        let from = Instant::now();
        tokio::time::sleep(duration).await;
        let to = Instant::now();
        self.story.phases.push(Phase {
            title: title.to_owned(),
            asked_at,
            from,
            to,
            expectations,
        });
    }

    fn note(&mut self, what: &str) {
        self.story.moments.push((Instant::now(), what.to_owned()));
    }
}

fn everybody() -> Vec<Expectation> {
    vec![
        throughout(Role::Ada, &[BEN, CLEO]),
        throughout(Role::Ben, &[ADA, CLEO]),
        throughout(Role::Cleo, &[ADA, BEN]),
    ]
}

fn throughout(listener: Role, sounds: &[DemoSound]) -> Expectation {
    Expectation::Throughout {
        listener,
        hears: set(sounds),
    }
}

fn once(listener: Role, sound: DemoSound) -> Expectation {
    Expectation::Once {
        listener,
        sound: sound.index(),
    }
}
