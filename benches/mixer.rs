//! What a tick costs: one large conference, and many small ones.

use criterion::{Criterion, criterion_group, criterion_main};
use tutti_model::Codec::{self, Opus, Pcmu};
use tutti_sim::BenchWorld;

/// Ticks before anything is measured, so that jitter buffers and encoders have settled.
const WARM_UP: usize = 50;

fn large_conference(criterion: &mut Criterion) {
    let half = |codec: Codec| std::iter::repeat_n(codec, 500);
    let listeners: Vec<Codec> = half(Pcmu).chain(half(Opus)).collect();
    for (name, talkers) in [("PCMU", [Pcmu; 3]), ("Opus", [Opus; 3])] {
        let mut world = settled(1_003, &[(talkers.as_slice(), listeners.as_slice())]);
        let name = format!("a tick: 3 {name} talkers, 500 PCMU and 500 Opus listeners");
        criterion.bench_function(&name, |bencher| bencher.iter(|| world.tick()));
    }
}

fn many_conferences(criterion: &mut Criterion) {
    for (name, codec) in [("PCMU", Pcmu), ("Opus", Opus)] {
        let talkers = [codec; 3];
        let mut world = settled(900, &[(talkers.as_slice(), [].as_slice()); 300]);
        let name = format!("a tick: 300 conferences of 3 {name} talkers");
        criterion.bench_function(&name, |bencher| bencher.iter(|| world.tick()));
    }
}

fn settled(legs: u16, conferences: &[(&[Codec], &[Codec])]) -> BenchWorld {
    let mut world = BenchWorld::new(legs, conferences.len() as u16);
    for (talkers, listeners) in conferences {
        if let Err(error) = world.add_conference(talkers, listeners) {
            panic!("{error}");
        }
    }
    for _ in 0..WARM_UP {
        world.tick();
    }
    world
}

criterion_group! {
    name = mixer;
    config = Criterion::default().sample_size(30);
    targets = large_conference, many_conferences
}
criterion_main!(mixer);
