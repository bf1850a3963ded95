//! Whose voices are in a mix, for its RTP headers (RFC 3550 §5.1, RFC 6465).

use tutti_model::AudioLevel;

use crate::rtp::Contributor;

/// The most that an RTP header names.
const MOST: usize = 15;

/// The contributors to one tick of one conference; beyond [`MOST`], the loudest.
#[derive(Debug, Clone)]
pub(crate) struct Contributors {
    list: [Contributor; MOST],
    len: usize,
}

impl Default for Contributors {
    fn default() -> Contributors {
        let nobody = Contributor {
            ssrc: 0,
            level: AudioLevel::SILENCE,
        };
        Contributors {
            list: [nobody; MOST],
            len: 0,
        }
    }
}

impl Contributors {
    /// Room for as many as can be named.
    pub(crate) fn nobody() -> [Contributor; MOST] {
        Contributors::default().list
    }

    pub(crate) fn clear(&mut self) {
        self.len = 0;
    }

    pub(crate) fn add(&mut self, contributor: Contributor) {
        if let Some(place) = self.list.get_mut(self.len) {
            *place = contributor;
            self.len += 1;
            return;
        }
        // Levels count down from full scale.
        let quietest = self.list.iter_mut().max_by_key(|known| known.level);
        if let Some(quietest) = quietest.filter(|known| known.level > contributor.level) {
            *quietest = contributor;
        }
    }

    /// Everybody, or everybody but one source.
    pub(crate) fn without(&self, ssrc: Option<u32>, out: &mut [Contributor; MOST]) -> usize {
        let mut len = 0;
        for contributor in self.list.iter().take(self.len) {
            if Some(contributor.ssrc) != ssrc
                && let Some(place) = out.get_mut(len)
            {
                *place = *contributor;
                len += 1;
            }
        }
        len
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contributor(ssrc: u32, level: f32) -> Contributor {
        let level = AudioLevel::from_rms(level);
        Contributor { ssrc, level }
    }

    #[test]
    fn of_too_many_the_loudest_are_named_and_nobody_to_itself() {
        let mut contributors = Contributors::default();
        for ssrc in 0..20 {
            contributors.add(contributor(ssrc, 0.001 * (ssrc + 1) as f32));
        }
        let mut named = [contributor(0, 0.0); MOST];
        assert_eq!(contributors.without(None, &mut named), MOST);
        assert!(named.iter().all(|named| named.ssrc >= 5));
        assert_eq!(contributors.without(Some(19), &mut named), MOST - 1);
        assert!(named[..MOST - 1].iter().all(|named| named.ssrc != 19));
        contributors.clear();
        assert_eq!(contributors.without(None, &mut named), 0);
    }
}
