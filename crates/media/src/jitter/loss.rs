//! Whether waiting for the packet after a lost one would pay.

/// How much the latest packet counts.
const LOSS_WEIGHT: f32 = 1.0 / 128.0;
const REPAIRS_WEIGHT: f32 = 1.0 / 64.0;

/// Loss that is worth a packet of delay, and loss that is not any more.
const MUCH: f32 = 0.03;
const LITTLE: f32 = 0.01;

/// So many of the packets must describe the one before them (in-band FEC).
const REPAIRS: f32 = 0.1;

/// A longer gap is an outage.
const MOST_LOST: u64 = 16;

/// Follows how many packets are lost, and how many describe those before them.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Loss {
    lost: f32,
    repairs: f32,
    is_waited_for: bool,
}

impl Loss {
    /// Follows a packet, before which so many were lost.
    pub(super) fn packet(&mut self, lost_before: u64, repairs: bool) {
        for _ in 0..lost_before.min(MOST_LOST) {
            self.lost += (1.0 - self.lost) * LOSS_WEIGHT;
        }
        self.lost -= self.lost * LOSS_WEIGHT;
        let repairs = f32::from(u8::from(repairs));
        self.repairs += (repairs - self.repairs) * REPAIRS_WEIGHT;
        if self.lost < LITTLE || self.repairs < REPAIRS / 4.0 {
            self.is_waited_for = false;
        } else if self.lost > MUCH && self.repairs > REPAIRS {
            self.is_waited_for = true;
        }
    }

    /// Whether the packet after a lost one should be there in time to repair it.
    pub(super) fn is_waited_for(&self) -> bool {
        self.is_waited_for
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(packets: u32, lose_every: u32, repairs: bool, loss: &mut Loss) -> bool {
        for n in 0..packets {
            let lost = lose_every > 0 && n % lose_every == 0;
            loss.packet(u64::from(lost), repairs);
        }
        loss.is_waited_for()
    }

    #[test]
    fn only_loss_that_can_be_repaired_is_waited_for_and_only_while_it_lasts() {
        let mut loss = Loss::default();
        assert!(!after(1_000, 0, true, &mut loss));
        assert!(!after(1_000, 100, true, &mut loss));
        assert!(after(300, 20, true, &mut loss));
        assert!(!after(1_000, 0, true, &mut loss));
        assert!(!after(1_000, 20, false, &mut loss));
    }
}
