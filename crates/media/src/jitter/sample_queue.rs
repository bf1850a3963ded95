//! Decoded samples that wait to be heard.

/// A queue of samples in one piece of memory.
pub(crate) struct SampleQueue {
    samples: Box<[f32]>,
    begin: usize,
    end: usize,
}

impl SampleQueue {
    /// A queue for so many samples.
    pub(crate) fn new(capacity: usize) -> SampleQueue {
        SampleQueue {
            samples: vec![0.0; capacity].into_boxed_slice(),
            begin: 0,
            end: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.end - self.begin
    }

    /// Appends so many samples (fewer where there is no room), to be filled in by the caller.
    pub(crate) fn append(&mut self, len: usize) -> &mut [f32] {
        if self.end + len > self.samples.len() {
            self.samples.copy_within(self.begin..self.end, 0);
            self.end = self.len();
            self.begin = 0;
        }
        let begin = self.end;
        self.end = (begin + len).min(self.samples.len());
        self.samples.get_mut(begin..self.end).unwrap_or_default()
    }

    /// Takes back the last samples appended.
    pub(crate) fn truncate(&mut self, len: usize) {
        self.end = self.end.min(self.begin + len);
    }

    /// The samples, oldest first.
    pub(crate) fn samples(&self) -> &[f32] {
        self.samples.get(self.begin..self.end).unwrap_or_default()
    }

    pub(crate) fn samples_mut(&mut self) -> &mut [f32] {
        self.samples
            .get_mut(self.begin..self.end)
            .unwrap_or_default()
    }

    /// Forgets so many samples at the front.
    pub(crate) fn discard(&mut self, len: usize) {
        self.begin = (self.begin + len).min(self.end);
    }

    /// Inserts so many samples at the front, to be filled in by the caller; none where there is no
    /// room.
    pub(crate) fn prepend(&mut self, len: usize) -> bool {
        if self.begin < len {
            if len + self.len() > self.samples.len() {
                return false;
            }
            self.samples.copy_within(self.begin..self.end, len);
            self.end = len + self.len();
            self.begin = len;
        }
        self.begin -= len;
        true
    }

    /// Moves the front to `out`; what the queue does not have is silent.
    pub(crate) fn take(&mut self, out: &mut [f32]) {
        let len = self.len().min(out.len());
        let (heard, silent) = out.split_at_mut(len);
        heard.copy_from_slice(self.samples().get(..len).unwrap_or_default());
        silent.fill(0.0);
        self.discard(len);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_come_out_in_order_however_they_are_moved() {
        let mut queue = SampleQueue::new(14);
        let (mut written, mut read) = (0.0, 0.0);
        for round in 0..100 {
            for sample in queue.append(1 + round % 5) {
                *sample = written;
                written += 1.0;
            }
            let mut out = vec![-1.0; queue.len().min(1 + round % 4)];
            queue.take(&mut out);
            for sample in out {
                assert_eq!(sample, read);
                read += 1.0;
            }
        }
        assert!(read > 100.0);
    }

    #[test]
    fn what_is_prepended_is_heard_first() {
        let mut queue = SampleQueue::new(10);
        queue.append(6).fill(1.0);
        assert!(queue.prepend(2));
        queue.samples_mut()[..2].fill(2.0);
        assert!(queue.prepend(1));
        queue.samples_mut()[0] = 3.0;
        assert_eq!(
            queue.samples(),
            [3.0, 2.0, 2.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]
        );
        assert!(!queue.prepend(2));
    }

    #[test]
    fn what_is_not_there_is_silent() {
        let mut queue = SampleQueue::new(8);
        queue.append(20).fill(1.0);
        assert_eq!(queue.len(), 8);
        queue.truncate(3);
        let mut out = [9.0; 5];
        queue.take(&mut out);
        assert_eq!(out, [1.0, 1.0, 1.0, 0.0, 0.0]);
    }
}
