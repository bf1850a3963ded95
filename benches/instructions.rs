//! What a tick costs in instructions, counted by callgrind: the same on a noisy machine as on a quiet
//! one. `scripts/bench instructions` installs the runner and runs this.

use std::hint::black_box;

use gungraun::{library_benchmark, library_benchmark_group, main};
use tutti_media::{Decoder, Encoder, EncoderSettings, FRAME_SAMPLES, Frame, Receiver, Sender};
use tutti_model::{Codec, Format, MediaDescription, MediaFlow};
use tutti_sim::{Audience, BenchWorld, Repertoire, START, TICK, Voice};

/// Ticks before anything is counted, so that jitter buffers and encoders have settled.
const WARM_UP: usize = 50;

/// Ticks, and packets, that are counted.
const COUNTED: usize = 20;

/// One conference with three talkers and so many listeners, or so many conferences of three talkers.
#[derive(Clone, Copy)]
struct Shape {
    codec: Codec,
    listeners: usize,
    audience: Audience,
    conferences: usize,
}

const fn listeners(codec: Codec, audience: Audience) -> Shape {
    Shape {
        codec,
        listeners: 300,
        audience,
        conferences: 1,
    }
}

const fn conferences_of_three(codec: Codec) -> Shape {
    Shape {
        codec,
        listeners: 0,
        audience: Audience::Absent,
        conferences: 50,
    }
}

fn settled(shape: Shape) -> BenchWorld {
    let Shape {
        codec,
        listeners,
        audience,
        conferences,
    } = shape;
    let legs = conferences * (listeners + 3);
    let mut world = BenchWorld::new(legs as u16, conferences as u16);
    for _ in 0..conferences {
        let listeners = vec![codec; listeners];
        if let Err(error) = world.add_conference_before(&[codec; 3], &listeners, audience) {
            panic!("{error}");
        }
    }
    for _ in 0..WARM_UP {
        world.tick();
    }
    world
}

#[library_benchmark(setup = settled)]
#[bench::opus_listeners_absent(listeners(Codec::Opus, Audience::Absent))]
#[bench::opus_listeners_silent(listeners(Codec::Opus, Audience::Silent))]
#[bench::opus_listeners_muted(listeners(Codec::Opus, Audience::Muted))]
#[bench::pcmu_listeners_absent(listeners(Codec::Pcmu, Audience::Absent))]
#[bench::pcmu_listeners_silent(listeners(Codec::Pcmu, Audience::Silent))]
#[bench::pcmu_listeners_muted(listeners(Codec::Pcmu, Audience::Muted))]
#[bench::opus_conferences_of_three(conferences_of_three(Codec::Opus))]
#[bench::pcmu_conferences_of_three(conferences_of_three(Codec::Pcmu))]
fn twenty_ticks(mut world: BenchWorld) -> u64 {
    (0..COUNTED).map(|_| black_box(world.tick())).sum()
}

/// An encoder, a decoder, and frames for them.
struct Transcoder {
    encoder: Encoder,
    decoder: Decoder,
    frame: Frame,
    payload: Vec<u8>,
}

fn transcoder(codec: Codec) -> Transcoder {
    let (Ok(mut encoder), Ok(decoder)) = (
        Encoder::new(&Format::plain(codec), EncoderSettings::default()),
        Decoder::new(codec),
    ) else {
        panic!("no codec")
    };
    let mut frame = [0.0; FRAME_SAMPLES];
    let voice = Voice::of_caller(0).second();
    let mut payload = vec![0; 2_048];
    let mut length = 0;
    for sound in voice.chunks_exact(FRAME_SAMPLES).take(WARM_UP) {
        frame.copy_from_slice(sound);
        length = encoder.encode(&frame, &mut payload).unwrap_or_default();
    }
    payload.truncate(length);
    Transcoder {
        encoder,
        decoder,
        frame,
        payload,
    }
}

#[library_benchmark(setup = transcoder)]
#[bench::opus(Codec::Opus)]
#[bench::pcmu(Codec::Pcmu)]
fn encode_a_frame(mut transcoder: Transcoder) -> usize {
    let mut payload = [0; 2_048];
    let length = transcoder.encoder.encode(&transcoder.frame, &mut payload);
    black_box(length.unwrap_or_default())
}

#[library_benchmark(setup = transcoder)]
#[bench::opus(Codec::Opus)]
#[bench::pcmu(Codec::Pcmu)]
fn decode_a_frame(mut transcoder: Transcoder) -> usize {
    let mut pcm = [0.0; FRAME_SAMPLES];
    let samples = transcoder.decoder.decode(&transcoder.payload, &mut pcm);
    black_box(samples.unwrap_or_default())
}

/// A receiver that has heard a voice for a while, and the next second's packets.
struct Reception {
    receiver: Receiver,
    now: tutti_model::Timestamp,
    packets: Vec<Vec<u8>>,
}

fn reception(codec: Codec) -> Reception {
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
    let Ok(mut receiver) = Receiver::new(&description) else {
        panic!("no receiver")
    };
    let (repertoire, mut sender) = (Repertoire::default(), Sender::new(1, 0, 0, 96, codec));
    let mut packets = Vec::new();
    for frame in 0..WARM_UP + COUNTED {
        let Ok(payload) = repertoire.payload(codec, Voice::of_caller(0), frame % COUNTED) else {
            panic!("no voice")
        };
        let mut packet = vec![0; 1_500];
        let length = sender.packetize(&payload, false, &mut packet);
        packet.truncate(length);
        packets.push(packet);
    }
    let (mut now, mut frame) = (START, [0.0; FRAME_SAMPLES]);
    for packet in packets.drain(..WARM_UP) {
        now = now + TICK;
        let _ = receiver.handle_rtp(now, &packet);
        receiver.pull(now, &mut frame);
    }
    Reception {
        receiver,
        now,
        packets,
    }
}

#[library_benchmark(setup = reception)]
#[bench::opus(Codec::Opus)]
#[bench::pcmu(Codec::Pcmu)]
fn file_twenty_packets(mut reception: Reception) -> Receiver {
    for packet in &reception.packets {
        reception.now = reception.now + TICK;
        let _ = black_box(reception.receiver.handle_rtp(reception.now, packet));
    }
    reception.receiver
}

#[library_benchmark(setup = reception)]
#[bench::opus(Codec::Opus)]
#[bench::pcmu(Codec::Pcmu)]
fn file_and_play_twenty_packets(mut reception: Reception) -> Frame {
    let mut frame = [0.0; FRAME_SAMPLES];
    for packet in &reception.packets {
        reception.now = reception.now + TICK;
        let _ = black_box(reception.receiver.handle_rtp(reception.now, packet));
        reception.receiver.pull(reception.now, &mut frame);
    }
    frame
}

library_benchmark_group!(name = ticks, benchmarks = [twenty_ticks]);
library_benchmark_group!(
    name = parts,
    benchmarks = [
        encode_a_frame,
        decode_a_frame,
        file_twenty_packets,
        file_and_play_twenty_packets
    ]
);

main!(library_benchmark_groups = [ticks, parts]);
