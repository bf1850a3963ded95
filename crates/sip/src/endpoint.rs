//! How does an endpoint run: sockets and channels around the user agent?

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use sipx_sip::transaction::TuEvent;
use sipx_sip::{Header, HeaderName, Host, Limits, Request, Timers, Uri};
use sipx_transport::{Handle, Target, TransportKind};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot, watch};

use crate::auth::Account;
use crate::config::Config;
use crate::dial::Dial;
use crate::error::{BindError, DialError};
use crate::event::{DialogId, SipCounters, SipEvent};
use crate::message::{self, Identity};
use crate::uac::{Attempt, Dialing, Placed, Report};
use crate::user_agent::{Effect, Incoming, Rejection, UserAgent, Wish};

/// A cheap handle on a running endpoint; it stops when the last one is gone.
///
/// No method waits for a peer. A wish that no longer fits the state of its dialog has no effect:
/// the event that says why is already on its way to the consumer.
#[derive(Debug, Clone)]
pub struct Endpoint {
    commands: mpsc::Sender<Command>,
    transport: Handle,
    ready: Arc<AtomicBool>,
    counters: watch::Receiver<SipCounters>,
    events: mpsc::WeakSender<SipEvent>,
}

/// Listens on UDP and TCP, and serves calls until the last handle or the receiver is gone.
pub async fn bind(config: Config) -> Result<(Endpoint, mpsc::Receiver<SipEvent>), BindError> {
    let (transport, requests) = sipx_transport::bind(transport_config(&config)?)
        .await
        .map_err(|error| match error {
            sipx_transport::Error::Io(error) => BindError::Socket(error),
            other => BindError::Transport(other.to_string()),
        })?;
    let identity = Identity {
        host: transport.advertised(),
        user_agent: config.user_agent.clone(),
    };
    let user_agent = UserAgent::new(now(), &config, identity, Box::new(rand::random));
    let (command_sender, commands) = mpsc::channel(QUEUE);
    let (report_sender, reports) = mpsc::channel(QUEUE);
    let (event_sender, events) = mpsc::channel(config.limits.waiting_events.max(1));
    let (counter_sender, counters) = watch::channel(SipCounters::default());
    let ready = Arc::new(AtomicBool::new(true));
    let waiting = event_sender.downgrade();
    let driver = Driver {
        user_agent,
        transport: transport.clone(),
        requests,
        commands,
        reports,
        report_sender,
        invitations: HashMap::new(),
        events: event_sender,
        counters: counter_sender,
        ready: ready.clone(),
    };
    tokio::spawn(driver.run());
    let endpoint = Endpoint {
        commands: command_sender,
        transport,
        ready,
        counters,
        events: waiting,
    };
    Ok((endpoint, events))
}

impl Endpoint {
    /// Where UDP and TCP are received.
    pub fn local_addr(&self) -> SocketAddr {
        self.transport.local_addr()
    }

    /// Says that the call rings: 180.
    pub async fn ringing(&self, dialog: DialogId) {
        self.wish(dialog, Wish::Ring).await;
    }

    /// Lets the caller hear something before the answer: 183 with SDP.
    pub async fn early_media(&self, dialog: DialogId, sdp: String) {
        self.wish(dialog, Wish::SendEarlyMedia { sdp }).await;
    }

    /// Accepts the call: 200, repeated until its ACK comes.
    pub async fn answer(&self, dialog: DialogId, sdp: String) {
        self.wish(dialog, Wish::Answer { sdp }).await;
    }

    /// Turns the call down with a status from 300 to 699 and further headers, as `Retry-After`.
    pub async fn reject(
        &self,
        dialog: DialogId,
        status: u16,
        reason: &str,
        headers: &[(&str, &str)],
    ) {
        let rejection = Rejection {
            status,
            reason: reason.to_owned(),
            headers: headers
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
        };
        self.wish(dialog, Wish::Reject(rejection)).await;
    }

    /// Accepts a change of the session.
    pub async fn answer_reinvite(&self, dialog: DialogId, sdp: String) {
        self.wish(dialog, Wish::AnswerReinvite { sdp }).await;
    }

    /// Declines a change of the session, as with 488; the call goes on as it was.
    pub async fn reject_reinvite(&self, dialog: DialogId, status: u16) {
        self.wish(dialog, Wish::RejectReinvite { status }).await;
    }

    /// Ends the call as its state asks: BYE, CANCEL or 480.
    ///
    /// Nothing more is told of the dialog, except `Failed` for a call that was still being placed.
    pub async fn hang_up(&self, dialog: DialogId) {
        self.wish(dialog, Wish::HangUp).await;
    }

    /// Places a call and does not wait for the peer: `Answered` or `Failed` follows. Only the
    /// host of a target without `via` is looked up first.
    pub async fn dial(&self, dial: Dial) -> Result<DialogId, DialError> {
        let (uri, transport) = dial.uri()?;
        let headers = dial.checked_headers()?;
        let credentials = dial.checked_credentials()?;
        let address = match dial.via {
            Some(trunk) => trunk,
            None => self.resolve(&uri, &dial.target).await?,
        };
        let dialing = Dialing {
            uri,
            target: Target::new(address, transport),
            from: dial.from,
            offer: dial.offer,
            headers,
            credentials,
            stay_with_peer: dial.stay_with_peer,
        };
        let (reply, placed) = oneshot::channel();
        self.commands
            .send(Command::Dial {
                dialing: Box::new(dialing),
                reply,
            })
            .await
            .map_err(|_| DialError::Stopped)?;
        placed.await.map_err(|_| DialError::Stopped)?
    }

    /// Takes new calls, or answers them and OPTIONS with 503; running calls go on.
    pub fn set_ready(&self, ready: bool) {
        self.ready.store(ready, Ordering::Relaxed);
    }

    /// What was counted so far.
    pub fn counters(&self) -> SipCounters {
        let transport = self.transport.counters();
        let kinds = [TransportKind::Udp, TransportKind::Tcp].map(|kind| transport.transport(kind));
        SipCounters {
            requests_received: kinds.iter().map(|kind| kind.requests_in).sum(),
            responses_sent: kinds.iter().map(|kind| kind.responses_out).sum(),
            malformed: kinds.iter().map(|kind| kind.parse_failures).sum(),
            retransmissions: transport.retransmissions_sent,
            waiting_events: self.events.upgrade().map_or(0, |events| {
                (events.max_capacity() - events.capacity()) as u64
            }),
            ..*self.counters.borrow()
        }
    }

    /// Stops at once and frees the port; calls are not hung up.
    pub async fn shutdown(&self) {
        self.transport.shutdown().await;
    }

    async fn wish(&self, dialog: DialogId, wish: Wish) {
        // An endpoint that has stopped has no dialogs.
        let _ = self.commands.send(Command::Wish { dialog, wish }).await;
    }

    async fn resolve(&self, uri: &Uri, target: &str) -> Result<SocketAddr, DialError> {
        let port = uri.port().unwrap_or(5060);
        let host = uri
            .host()
            .ok_or_else(|| DialError::InvalidTarget(target.to_owned()))?;
        let name = match host {
            Host::Ip(ip) => return Ok(SocketAddr::new(*ip, port)),
            Host::Name(name) => String::from_utf8_lossy(name.as_bytes()).into_owned(),
        };
        let ipv4 = self.local_addr().is_ipv4();
        let unknown = |reason: String| DialError::UnknownHost {
            host: name.clone(),
            reason,
        };
        let mut addresses = tokio::net::lookup_host((name.as_str(), port))
            .await
            .map_err(|error| unknown(error.to_string()))?;
        addresses
            .find(|address| address.is_ipv4() == ipv4)
            .ok_or_else(|| unknown("none of its addresses is of the listener's kind".to_owned()))
    }
}

/// Commands and reports that may wait for the loop.
const QUEUE: usize = 1_024;

/// Longer than any call rings, so that no transaction is taken from under a call.
const UNANSWERED_LIMIT: Duration = Duration::from_secs(240);

/// A long request stays with the transport that was asked for. RFC 3261 §18.1.1 would have it go
/// over TCP beyond 1300 bytes, which an INVITE with an offer and credentials is soon; but a trunk
/// that takes UDP seldom listens on TCP too, and the network fragments what is too long.
const LARGEST_DATAGRAM: usize = 65_535;

/// Our in-dialog requests need the connection that a call came over, so it outlives long silence.
const CONNECTION_IDLE_LIMIT: Duration = Duration::from_secs(3_600);

#[derive(Debug)]
enum Command {
    Wish {
        dialog: DialogId,
        wish: Wish,
    },
    Dial {
        dialing: Box<Dialing>,
        reply: oneshot::Sender<Result<DialogId, DialError>>,
    },
}

/// The one task that owns the user agent.
struct Driver {
    user_agent: UserAgent,
    transport: Handle,
    requests: mpsc::Receiver<sipx_transport::Incoming>,
    commands: mpsc::Receiver<Command>,
    reports: mpsc::Receiver<(Attempt, Outcome)>,
    report_sender: mpsc::Sender<(Attempt, Outcome)>,
    /// The INVITEs of ours whose transactions run.
    invitations: HashMap<Attempt, Running>,
    events: mpsc::Sender<SipEvent>,
    counters: watch::Sender<SipCounters>,
    ready: Arc<AtomicBool>,
}

/// An INVITE of ours, and the way to take it back; used once.
struct Running {
    placed: Arc<Placed>,
    take_back: Option<oneshot::Sender<()>>,
}

/// What the task of an INVITE says.
enum Outcome {
    Report(Report),
    /// The transaction is over.
    Over,
}

impl Driver {
    async fn run(mut self) {
        while self.serve_one().await.is_some() {}
        self.transport.shutdown().await;
    }

    /// Waits for one input and serves it; `None` when nobody needs the endpoint any more.
    async fn serve_one(&mut self) -> Option<()> {
        let deadline = self.user_agent.next_deadline();
        let mut effects = Vec::new();
        tokio::select! {
            request = self.requests.recv() => {
                self.user_agent.ready = self.ready.load(Ordering::Relaxed);
                let incoming = incoming(request?);
                self.user_agent.handle_request(now(), incoming, &mut effects);
            }
            command = self.commands.recv() => match command? {
                Command::Wish { dialog, wish } => {
                    self.user_agent.handle_wish(now(), dialog, wish, &mut effects);
                }
                Command::Dial { dialing, reply } => {
                    let placed = self.user_agent.dial(now(), *dialing, &mut effects);
                    // A caller that stopped waiting finds the call in the events.
                    let _ = reply.send(placed);
                }
            },
            Some((attempt, outcome)) = self.reports.recv() => {
                if let Some((placed, report)) = reported(&mut self.invitations, attempt, outcome) {
                    self.user_agent.handle_report(attempt, &placed, report, &mut effects);
                }
            }
            () = sleep_until(deadline), if deadline.is_some() => {
                self.user_agent.handle_timeout(now(), &mut effects);
            }
            permit = self.events.reserve(), if !self.user_agent.outbox.is_empty() => {
                let permit = permit.ok()?;
                if let Some(event) = self.user_agent.outbox.pop_front() {
                    permit.send(event);
                }
            }
            () = self.events.closed() => return None,
        }
        for effect in effects {
            self.perform(effect).await;
        }
        // Whoever has an event finds it counted.
        self.counters.send_replace(self.user_agent.counters());
        self.deliver();
        Some(())
    }

    /// Gives the consumer what it has room for; the rest waits in the outbox.
    fn deliver(&mut self) {
        while let Some(event) = self.user_agent.outbox.pop_front() {
            match self.events.try_send(event) {
                Ok(()) => {}
                Err(TrySendError::Full(event) | TrySendError::Closed(event)) => {
                    self.user_agent.outbox.push_front(event);
                    return;
                }
            }
        }
    }

    async fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Respond { key, response } => {
                if let Err(error) = self.transport.respond(&key, *response).await {
                    tracing::debug!(%error, "a response was not sent");
                }
            }
            Effect::Invite { attempt, placed } => {
                let (take_back, taken_back) = oneshot::channel();
                let running = Running {
                    placed: Arc::clone(&placed),
                    take_back: Some(take_back),
                };
                self.invitations.insert(attempt, running);
                let transport = self.transport.clone();
                let reports = self.report_sender.clone();
                tokio::spawn(async move {
                    carry_invite(&transport, attempt, &placed, taken_back, &reports).await;
                    // The loop is gone when nobody listens.
                    let _ = reports.send((attempt, Outcome::Over)).await;
                });
            }
            Effect::Cancel { attempt } => {
                let running = self.invitations.get_mut(&attempt);
                if let Some(take_back) = running.and_then(|running| running.take_back.take()) {
                    // The transaction may have ended by itself.
                    let _ = take_back.send(());
                }
            }
            Effect::Acknowledge {
                mut request,
                target,
            } => {
                add_via(&mut request, &self.transport, target.transport);
                if let Err(error) = self.transport.send_directly(*request, target).await {
                    tracing::debug!(%error, "an ACK was not sent");
                }
            }
            Effect::Request {
                request,
                target,
                account,
            } => {
                let transport = self.transport.clone();
                tokio::spawn(async move {
                    carry_request(&transport, *request, target, account).await;
                });
            }
        }
    }
}

/// The INVITE that an outcome is of, and what to make of it.
fn reported(
    invitations: &mut HashMap<Attempt, Running>,
    attempt: Attempt,
    outcome: Outcome,
) -> Option<(Arc<Placed>, Report)> {
    match outcome {
        Outcome::Report(report) => {
            let running = invitations.get(&attempt)?;
            Some((Arc::clone(&running.placed), report))
        }
        // A call that still waits for a final response waits in vain.
        Outcome::Over => Some((invitations.remove(&attempt)?.placed, Report::Timeout)),
    }
}

/// Sends an INVITE and reports what comes back, until its transaction ends.
async fn carry_invite(
    transport: &Handle,
    attempt: Attempt,
    placed: &Placed,
    mut taken_back: oneshot::Receiver<()>,
    reports: &mpsc::Sender<(Attempt, Outcome)>,
) {
    let report = async |report| {
        // The loop is gone when nobody listens.
        let _ = reports.send((attempt, Outcome::Report(report))).await;
    };
    let sent = transport.send(placed.request.clone(), placed.target.clone());
    let mut responses = match sent.await {
        Ok(responses) => responses,
        Err(error) => {
            let reason = error.to_string();
            report(Report::Unreachable { reason }).await;
            return;
        }
    };
    let mut may_be_taken_back = true;
    loop {
        tokio::select! {
            event = responses.next() => match event {
                Some(TuEvent::Response(response)) => report(Report::Response(response)).await,
                Some(TuEvent::Timeout) => report(Report::Timeout).await,
                Some(TuEvent::TransportError) => {
                    let reason = responses
                        .take_transport_error()
                        .map_or_else(|| "the transport failed".to_owned(), |error| error.to_string());
                    report(Report::Unreachable { reason }).await;
                }
                Some(_) => {}
                None => return,
            },
            asked = &mut taken_back, if may_be_taken_back => {
                may_be_taken_back = false;
                // Waits for a provisional response, as RFC 3261 §9.1 demands; what comes
                // meanwhile is reported afterwards.
                if asked.is_ok()
                    && let Err(error) = transport.cancel_invite(&mut responses, None).await
                {
                    tracing::debug!(%error, "a CANCEL was not sent");
                }
            }
        }
    }
}

/// Sends a request whose outcome changes nothing, and answers the challenges that it meets.
async fn carry_request(
    transport: &Handle,
    mut request: Request,
    target: Target,
    mut account: Option<Box<Account>>,
) {
    loop {
        let response = match transport.send(request.clone(), target.clone()).await {
            Ok(mut responses) => responses.final_response().await,
            Err(error) => {
                tracing::debug!(%error, "a request was not sent");
                return;
            }
        };
        let again = account
            .as_mut()
            .zip(response)
            .and_then(|(account, response)| {
                let cnonce = message::token(rand::random());
                account.answer(&request, target.addr, &response, &cnonce)
            });
        // The account answers twice at most.
        match again {
            Some(again) => request = again,
            None => return,
        }
    }
}

fn transport_config(config: &Config) -> Result<sipx_transport::Config, BindError> {
    let ip = config.advertised.unwrap_or(config.listen.ip());
    if ip.is_unspecified() {
        return Err(BindError::NothingToAdvertise);
    }
    Header::build(HeaderName::UserAgent, config.user_agent.clone())
        .map_err(|_| BindError::InvalidUserAgent)?;
    let mut transport = sipx_transport::Config::new(config.listen);
    transport.sent_by = message::host(ip);
    let t1 = config.round_trip();
    transport.timers = Timers {
        t1,
        t2: t1 * 8,
        t4: t1 * 10,
    };
    transport.limits = Limits {
        max_headers: 128,
        ..Limits::datagram()
    };
    transport.capacity = 4 * QUEUE;
    transport.unanswered_limit = UNANSWERED_LIMIT;
    transport.path_mtu = Some(LARGEST_DATAGRAM);
    transport.pool.idle_timeout = CONNECTION_IDLE_LIMIT;
    // A phone behind a NAT is reached over the connection that it opened, or not at all.
    transport.pool.reuse_inbound_for_outbound = true;
    Ok(transport)
}

fn incoming(request: sipx_transport::Incoming) -> Incoming {
    Incoming {
        key: request.key,
        request: request.request,
        source: request.source,
        transport: request.transport,
    }
}

/// The transport adds Via to what has a transaction; the ACK of a 2xx has none.
fn add_via(request: &mut Request, transport: &Handle, kind: TransportKind) {
    let via = format!(
        "SIP/2.0/{} {};rport;branch={}",
        kind.as_str(),
        transport.sent_by_for(kind),
        sipx_transport::new_branch()
    );
    if let Ok(via) = Header::build(HeaderName::Via, via) {
        request.headers.push_front(via);
    }
}

async fn sleep_until(deadline: Option<Instant>) {
    if let Some(deadline) = deadline {
        tokio::time::sleep_until(deadline.into()).await;
    }
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
