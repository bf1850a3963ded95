//! What receiving costs: one packet in, one frame out.

use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use tutti_media::{FRAME_SAMPLES, Receiver, Sender};
use tutti_model::{Codec, Format, MediaDescription, MediaFlow};
use tutti_sim::{Impairments, Network, Random, Repertoire, START, TICK, Voice};

fn receive(criterion: &mut Criterion) {
    let rough = Impairments {
        loss: 0.05,
        jitter: Duration::from_millis(30),
        reordering: 0.05,
        ..Impairments::NONE
    };
    for codec in [Codec::Pcmu, Codec::Opus] {
        for (name, impairments) in [("a good network", Impairments::NONE), ("a bad one", rough)] {
            let mut stream = Stream::new(codec, impairments);
            let name = format!("a frame of {codec:?} over {name}");
            criterion.bench_function(&name, |bencher| bencher.iter(|| stream.frame()));
        }
    }
}

/// A sender, a network and a receiver.
struct Stream {
    now: tutti_model::Timestamp,
    codec: Codec,
    sender: Sender,
    repertoire: Repertoire,
    network: Network,
    receiver: Receiver,
    frames: usize,
}

impl Stream {
    fn new(codec: Codec, impairments: Impairments) -> Stream {
        let here = ([10, 0, 0, 1], 4_000).into();
        let description = MediaDescription {
            format: Format::plain(codec),
            payload_type: 96,
            telephone_event: None,
            comfort_noise: None,
            level_extension: None,
            mixer_levels_extension: None,
            remote_rtp: here,
            remote_rtcp: here,
            flow: MediaFlow {
                send: true,
                receive: true,
            },
        };
        let mut network = Network::new(Random::new(1));
        network.impair(impairments);
        let Ok(receiver) = Receiver::new(&description) else {
            panic!("no receiver")
        };
        Stream {
            now: START,
            codec,
            sender: Sender::new(1, 0, 0, 96, codec),
            repertoire: Repertoire::default(),
            network,
            receiver,
            frames: 0,
        }
    }

    fn frame(&mut self) -> f32 {
        self.now = self.now + TICK;
        self.frames += 1;
        // The same second over and over: its seam is one frame in fifty.
        let voice = Voice::of_caller(0);
        if let Ok(payload) = self.repertoire.payload(self.codec, voice, self.frames % 50) {
            let mut packet = vec![0; 1_500];
            let len = self.sender.packetize(&payload, false, &mut packet);
            packet.truncate(len);
            self.network.send(self.now, packet);
        }
        while let Some((arrived, packet)) = self.network.arrive(self.now) {
            let _ = self.receiver.handle_rtp(arrived, &packet);
        }
        let mut frame = [0.0; FRAME_SAMPLES];
        self.receiver.pull(self.now, &mut frame);
        frame[0]
    }
}

criterion_group!(jitter_buffer, receive);
criterion_main!(jitter_buffer);
