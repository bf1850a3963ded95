//! What is one caller? A SIP dialog, an RTP socket, a voice and an ear.

use std::net::UdpSocket;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tutti_model::Codec;
use tutti_sip::DialogId;
use tutti_sip::sdp::{Extras, LocalMedia, accept_answer, make_offer_with};

use crate::arrivals::Counters;
use crate::ear::{Audible, Heard, Vocabulary};
use crate::histogram::Histogram;
use crate::leg::{Desk, Habits, Leg, LegSetup, Notes, PipPart, Speech, WavFile};
use crate::line::{CallFailure, Line, LineEvent};
use crate::pacer::{Pacer, Seat};
use crate::residue::Residue;
use crate::timeline::Cell;

/// How long a caller lets it ring.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a caller is like.
#[derive(Debug, Clone)]
pub struct CallerPlan {
    /// As the bridge shows it: a SIP URI.
    pub from: String,
    /// Whom to call: a SIP URI.
    pub target: String,
    pub codec: Codec,
    /// What it can say; `None` only listens.
    pub speech: Option<Speech>,
    /// The sounds it knows.
    pub vocabulary: Vocabulary,
    /// Where its own voice is in the vocabulary.
    pub own: Option<usize>,
    /// Its part in measuring delay.
    pub pips: Option<PipPart>,
    /// Where to record what it hears.
    pub recording: Option<PathBuf>,
}

/// A caller in an answered call. Dropping it hangs up.
pub struct Caller {
    dialog: OpenDialog,
    events: mpsc::UnboundedReceiver<LineEvent>,
    seat: Seat,
    desk: Arc<Desk>,
    answered_at: Instant,
    setup: Duration,
    has_ended: bool,
}

impl Caller {
    /// Calls, waits for the answer, and starts to listen. It says nothing until [`Caller::say`].
    pub async fn dial(
        line: &Arc<Line>,
        pacer: &Pacer,
        plan: CallerPlan,
    ) -> Result<Caller, CallFailure> {
        Caller::dial_as(line, pacer, plan, Habits::default()).await
    }

    /// The same for a caller of other habits.
    pub(crate) async fn dial_as(
        line: &Arc<Line>,
        pacer: &Pacer,
        plan: CallerPlan,
        habits: Habits,
    ) -> Result<Caller, CallFailure> {
        let socket = UdpSocket::bind((line.ip(), 0))?;
        let port = socket.local_addr()?.port();
        let codecs = [plan.codec];
        let local = LocalMedia {
            ip: line.ip(),
            rtp_port: port,
            // RTP and RTCP share the port (RFC 5761).
            rtcp_port: port,
            codecs: &codecs,
            session_id: u64::from(port),
            version: 1,
        };
        let extras = Extras {
            dtx: habits.dtx,
            ..Extras::default()
        };
        let recording = plan
            .recording
            .as_deref()
            .map(|path| WavFile::create(path, plan.codec))
            .transpose()?;
        let dialed_at = Instant::now();
        let (dialog, mut events) = line
            .dial(&plan.target, &plan.from, make_offer_with(&local, extras))
            .await?;
        let dialog = OpenDialog {
            line: Arc::clone(line),
            dialog,
        };
        let media = accept_answer(&answer(&mut events).await?, &local)?;
        let answered_at = Instant::now();
        let setup = LegSetup {
            socket,
            remote: media.remote_rtp,
            codec: plan.codec,
            payload_type: media.payload_type,
            speech: plan.speech,
            vocabulary: plan.vocabulary,
            own: plan.own,
            pips: plan.pips,
            recording,
            habits,
        };
        let (leg, desk) = Leg::new(setup, answered_at)?;
        Ok(Caller {
            dialog,
            events,
            seat: pacer.add(leg),
            desk,
            answered_at,
            setup: answered_at - dialed_at,
            has_ended: false,
        })
    }

    /// Starts or stops speaking.
    pub fn say(&self, speaking: bool) {
        self.desk.say(speaking);
    }

    /// What the caller heard in the last 200 ms.
    pub fn hears(&self) -> Heard {
        self.desk.notes().heard.clone()
    }

    /// The sounds that the caller heard in the last 200 ms.
    pub fn audible(&self) -> Audible {
        self.desk.notes().heard.audible
    }

    /// Everything that the caller has noticed so far.
    pub fn notes(&self) -> Notes {
        self.desk.notes().clone()
    }

    /// What the caller has counted so far, and the delays that it has measured.
    pub(crate) fn counts(&self) -> (Counters, Histogram) {
        let notes = self.desk.notes();
        (notes.counters.clone(), notes.delays.clone())
    }

    /// What the caller heard within a stretch of time.
    pub(crate) fn heard_between(&self, from: Instant, to: Instant) -> (Vec<Cell>, Vec<Residue>) {
        let notes = self.desk.notes();
        let residues = notes.residues.iter();
        let within = |residue: &&Residue| residue.from >= from && residue.to <= to;
        (
            notes.timeline.between(from, to).to_vec(),
            residues.filter(within).copied().collect(),
        )
    }

    /// When the call was answered.
    pub fn answered_at(&self) -> Instant {
        self.answered_at
    }

    /// How long it took from the INVITE to the answer.
    pub fn setup_time(&self) -> Duration {
        self.setup
    }

    /// Whether the far end has hung up.
    pub fn has_ended(&mut self) -> bool {
        while let Ok(event) = self.events.try_recv() {
            self.has_ended |= ends(&event);
        }
        self.has_ended
    }

    /// Waits until the far end hangs up; says whether it did in time.
    pub async fn ended_within(&mut self, patience: Duration) -> bool {
        let wait = async {
            while !self.has_ended {
                let Some(event) = self.events.recv().await else {
                    return;
                };
                self.has_ended |= ends(&event);
            }
        };
        // Running out of time is one of the two answers.
        let _ = tokio::time::timeout(patience, wait).await;
        self.has_ended
    }

    /// Hangs up, and tells everything that the caller has noticed. Its recording is complete then.
    pub async fn hang_up(self) -> Notes {
        drop(self.dialog);
        self.seat.leave().await;
        self.desk.notes().clone()
    }
}

/// A dialog that is hung up when nobody holds it any more.
struct OpenDialog {
    line: Arc<Line>,
    dialog: DialogId,
}

impl Drop for OpenDialog {
    fn drop(&mut self) {
        self.line.hang_up(self.dialog);
    }
}

fn ends(event: &LineEvent) -> bool {
    match event {
        LineEvent::Ended | LineEvent::Failed { .. } => true,
        LineEvent::Answered { .. } => false,
    }
}

/// Waits for the answer's SDP.
async fn answer(
    events: &mut mpsc::UnboundedReceiver<LineEvent>,
) -> Result<bytes::Bytes, CallFailure> {
    let event = tokio::time::timeout(PATIENCE, events.recv())
        .await
        .map_err(|_| CallFailure::NoAnswer(PATIENCE))?;
    match event {
        Some(LineEvent::Answered { answer }) => answer.ok_or(CallFailure::NoDescription),
        Some(LineEvent::Failed { status, reason }) => Err(CallFailure::Refused { status, reason }),
        Some(LineEvent::Ended) => Err(CallFailure::HungUp),
        None => Err(CallFailure::Stopped),
    }
}
