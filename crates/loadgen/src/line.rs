//! Which SIP event belongs to which caller?
//!
//! All callers of a process share one SIP endpoint. Its events come in one stream; each caller reads
//! only its own dialog's.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use tutti_sip::{BindError, Dial, DialError, DialogId, Endpoint, SipEvent};

/// How many events of dialogs that nobody has claimed are kept. A dialog is claimed as soon as its
/// INVITE is placed, so there are few.
const MOST_UNCLAIMED: usize = 1_024;

/// How long the last BYE may take to be answered before the endpoint closes.
const FAREWELL: Duration = Duration::from_millis(200);

/// What happens to one caller's dialog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LineEvent {
    Answered {
        answer: Option<Bytes>,
    },
    Failed {
        status: u16,
        reason: String,
    },
    /// The far end hung up.
    Ended,
}

/// Why a call did not come about.
#[derive(Debug, thiserror::Error)]
pub enum CallFailure {
    #[error("the call cannot be placed: {0}")]
    Dial(#[from] DialError),
    #[error("the far end refused with {status} {reason}")]
    Refused { status: u16, reason: String },
    #[error("the far end hung up at once")]
    HungUp,
    #[error("no answer within {0:?}")]
    NoAnswer(Duration),
    #[error("the far end's answer has no SDP")]
    NoDescription,
    #[error("the far end's SDP cannot be used: {0}")]
    Description(#[from] tutti_sip::sdp::SdpRefusal),
    #[error("no socket for the call's audio: {0}")]
    Socket(#[from] std::io::Error),
    #[error("what the caller hears cannot be recorded: {0}")]
    Recording(#[from] hound::Error),
    #[error("the SIP endpoint has stopped")]
    Stopped,
}

/// The SIP endpoint that callers share.
pub struct Line {
    endpoint: Endpoint,
    ip: IpAddr,
    directory: Arc<Mutex<Directory>>,
    orders: mpsc::UnboundedSender<Order>,
}

enum Order {
    HangUp(DialogId),
    Close(oneshot::Sender<()>),
}

#[derive(Default)]
struct Directory {
    claimed: BTreeMap<DialogId, mpsc::UnboundedSender<LineEvent>>,
    /// Events that came before the caller knew its dialog's name.
    unclaimed: Vec<(DialogId, LineEvent)>,
}

impl Line {
    /// Opens an endpoint on a free port of this address.
    pub async fn open(ip: IpAddr) -> Result<Line, BindError> {
        let mut config = tutti_sip::Config::new(SocketAddr::new(ip, 0));
        config.user_agent = "Tutti callers".to_owned();
        let (endpoint, events) = tutti_sip::bind(config).await?;
        let directory: Arc<Mutex<Directory>> = Arc::default();
        let (orders, inbox) = mpsc::unbounded_channel();
        tokio::spawn(serve(
            endpoint.clone(),
            events,
            inbox,
            Arc::clone(&directory),
        ));
        Ok(Line {
            endpoint,
            ip,
            directory,
            orders,
        })
    }

    /// Where callers receive their audio.
    pub fn ip(&self) -> IpAddr {
        self.ip
    }

    /// Places a call; its dialog's events come from the receiver.
    pub(crate) async fn dial(
        &self,
        target: &str,
        from: &str,
        offer: String,
    ) -> Result<(DialogId, mpsc::UnboundedReceiver<LineEvent>), DialError> {
        let dialog = self.endpoint.dial(Dial::new(target, from, offer)).await?;
        let (sender, receiver) = mpsc::unbounded_channel();
        let mut directory = lock(&self.directory);
        let early = std::mem::take(&mut directory.unclaimed);
        for (name, event) in early {
            if name == dialog {
                // The receiver is in our hands, so it takes everything.
                let _ = sender.send(event);
            } else {
                directory.unclaimed.push((name, event));
            }
        }
        directory.claimed.insert(dialog, sender);
        Ok((dialog, receiver))
    }

    /// Ends a call: CANCEL before its answer, BYE after it.
    pub(crate) fn hang_up(&self, dialog: DialogId) {
        lock(&self.directory).claimed.remove(&dialog);
        // A line that is closed has no calls.
        let _ = self.orders.send(Order::HangUp(dialog));
    }

    /// Ends all calls that were hung up, and closes the endpoint.
    pub async fn close(&self) {
        let (done, closed) = oneshot::channel();
        if self.orders.send(Order::Close(done)).is_ok() {
            // An error means that the line is closed already.
            let _ = closed.await;
        }
    }
}

/// Hands events to callers and orders to the endpoint, until told to close.
async fn serve(
    endpoint: Endpoint,
    mut events: mpsc::Receiver<SipEvent>,
    mut orders: mpsc::UnboundedReceiver<Order>,
    directory: Arc<Mutex<Directory>>,
) {
    loop {
        tokio::select! {
            event = events.recv() => match event {
                Some(event) => dispatch(event, &directory, &endpoint).await,
                None => return,
            },
            order = orders.recv() => match order {
                Some(Order::HangUp(dialog)) => endpoint.hang_up(dialog).await,
                Some(Order::Close(done)) => {
                    tokio::time::sleep(FAREWELL).await;
                    endpoint.shutdown().await;
                    // Whoever asked may have gone.
                    let _ = done.send(());
                    return;
                }
                None => return,
            },
        }
    }
}

async fn dispatch(event: SipEvent, directory: &Mutex<Directory>, endpoint: &Endpoint) {
    let (dialog, event) = match event {
        SipEvent::Answered { dialog, answer } => (dialog, LineEvent::Answered { answer }),
        SipEvent::Failed {
            dialog,
            status,
            reason,
        } => (dialog, LineEvent::Failed { status, reason }),
        SipEvent::Ended { dialog, reason: _ } => (dialog, LineEvent::Ended),
        SipEvent::Progress { .. }
        | SipEvent::Acknowledged { .. }
        | SipEvent::Cancelled { .. }
        | SipEvent::Digit { .. } => return,
        // Callers only call, and their media stays as it was agreed.
        SipEvent::Invite { dialog, .. } => {
            return endpoint
                .reject(dialog, 480, "Temporarily Unavailable", &[])
                .await;
        }
        SipEvent::Reinvite { dialog, .. } => return endpoint.reject_reinvite(dialog, 488).await,
    };
    let mut directory = lock(directory);
    match directory.claimed.get(&dialog) {
        // A caller that has gone does not care.
        Some(caller) => drop(caller.send(event)),
        None if directory.unclaimed.len() < MOST_UNCLAIMED => {
            directory.unclaimed.push((dialog, event));
        }
        None => {}
    }
}

fn lock(directory: &Mutex<Directory>) -> MutexGuard<'_, Directory> {
    // Every change is one insertion or removal; a panic elsewhere leaves the directory good.
    directory.lock().unwrap_or_else(PoisonError::into_inner)
}
