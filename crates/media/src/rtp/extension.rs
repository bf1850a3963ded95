//! Header extensions (RFC 8285), and the levels that they carry (RFC 6464, RFC 6465).

use tutti_model::AudioLevel;

/// The extension profile of elements whose identifier and length share a byte (RFC 8285 §4.2).
const ONE_BYTE: u16 = 0xbede;

/// The same for a byte each (RFC 8285 §4.3); its low four bits are free for the application.
const TWO_BYTE: u16 = 0x1000;

/// The most contributors that a header can name (RFC 3550 §5.1).
pub const MAX_CONTRIBUTORS: usize = 15;

/// What a peer says of the sound in its packet (RFC 6464 §3). It is a claim, not a measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientLevel {
    /// It believes that this is a voice.
    pub voice: bool,
    pub level: AudioLevel,
}

impl ClientLevel {
    /// Reads an extension element; one that is not a single byte says nothing.
    pub fn parse(element: &[u8]) -> Option<ClientLevel> {
        let [byte] = *element else { return None };
        Some(ClientLevel {
            voice: byte & 0x80 != 0,
            level: AudioLevel::from_minus_dbov(byte & 0x7f),
        })
    }
}

/// Who is heard in a mixed packet, and how loud.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contributor {
    pub ssrc: u32,
    pub level: AudioLevel,
}

/// What a mixer adds to a packet's header.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PacketExtras<'a> {
    /// Who is heard; those beyond [`MAX_CONTRIBUTORS`] are not named.
    pub contributors: &'a [Contributor],
    /// The identifier of the extension that tells how loud they are (RFC 6465), where negotiated.
    /// One that has no place in the one-byte form, which is 1 to 14, is not written.
    pub mixer_levels_extension: Option<u8>,
}

impl<'a> PacketExtras<'a> {
    /// Those who are named.
    pub(super) fn named(&self) -> &'a [Contributor] {
        self.contributors
            .get(..MAX_CONTRIBUTORS)
            .unwrap_or(self.contributors)
    }

    /// Writes the contributors and their levels behind a header's fixed part. Returns their length
    /// and whether there is an extension, or nothing where there is no room.
    pub(super) fn write(&self, out: &mut [u8]) -> Option<(usize, bool)> {
        let named = self.named();
        let (csrcs, rest) = out.split_at_mut_checked(named.len() * 4)?;
        let (csrcs, _) = csrcs.as_chunks_mut::<4>();
        for (csrc, contributor) in csrcs.iter_mut().zip(named) {
            *csrc = contributor.ssrc.to_be_bytes();
        }
        let identifier = self
            .mixer_levels_extension
            .filter(|identifier| (1..=14).contains(identifier) && !named.is_empty());
        let Some(identifier) = identifier else {
            return Some((named.len() * 4, false));
        };
        // One byte of identifier and length, one for each level, and zeros up to a whole word.
        let words = (1 + named.len()).div_ceil(4);
        let body = rest.get_mut(4..4 + words * 4)?;
        body.fill(0);
        let (first, levels) = body.split_first_mut()?;
        *first = (identifier << 4) | (named.len() - 1) as u8;
        for (level, contributor) in levels.iter_mut().zip(named) {
            *level = contributor.level.minus_dbov();
        }
        let [p0, p1] = ONE_BYTE.to_be_bytes();
        *rest.first_chunk_mut::<4>()? = [p0, p1, 0, words as u8];
        Some((named.len() * 4 + 4 + words * 4, true))
    }
}

/// The element with an identifier in an extension of this profile.
///
/// What lies behind an element that breaks the rules is not read.
pub(super) fn element(profile: u16, body: &[u8], identifier: u8) -> Option<&[u8]> {
    let is_one_byte = profile == ONE_BYTE;
    if identifier == 0 || !(is_one_byte || profile & 0xfff0 == TWO_BYTE) {
        return None;
    }
    let mut rest = body;
    while let [first, behind @ ..] = rest {
        // Zeros are padding wherever they stand between elements.
        if *first == 0 {
            rest = behind;
            continue;
        }
        let (found, length, behind) = if is_one_byte {
            (first >> 4, usize::from(first & 0x0f) + 1, behind)
        } else {
            let (length, behind) = behind.split_first()?;
            (*first, usize::from(*length), behind)
        };
        // Identifiers 0 and 15 end the one-byte form (RFC 8285 §4.2).
        if is_one_byte && matches!(found, 0 | 15) {
            return None;
        }
        let (element, behind) = behind.split_at_checked(length)?;
        if found == identifier {
            return Some(element);
        }
        rest = behind;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_element_is_found_among_others_and_padding() {
        let body = [0x10, 0xaa, 0, 0, 0x32, 1, 2, 3, 0x50, 0xbb, 0, 0];
        assert_eq!(element(ONE_BYTE, &body, 1), Some(&[0xaa][..]));
        assert_eq!(element(ONE_BYTE, &body, 3), Some(&[1, 2, 3][..]));
        assert_eq!(element(ONE_BYTE, &body, 5), Some(&[0xbb][..]));
        assert_eq!(element(ONE_BYTE, &body, 2), None);
        assert_eq!(element(ONE_BYTE, &body, 0), None);
    }

    #[test]
    fn the_two_byte_form_has_longer_and_empty_elements_and_higher_identifiers() {
        let body = [200, 0, 0, 15, 2, 7, 8, 1, 1, 0x85];
        for profile in [0x1000, 0x100f] {
            assert_eq!(element(profile, &body, 200), Some(&[][..]));
            assert_eq!(element(profile, &body, 15), Some(&[7, 8][..]));
            assert_eq!(element(profile, &body, 1), Some(&[0x85][..]));
        }
        assert_eq!(element(0x1010, &body, 1), None);
    }

    #[test]
    fn nothing_is_read_behind_an_element_that_breaks_the_rules() {
        assert_eq!(element(ONE_BYTE, &[0xf0, 9, 0x10, 0xaa], 1), None);
        assert_eq!(element(ONE_BYTE, &[0x01, 9, 0x10, 0xaa], 1), None);
        assert_eq!(element(ONE_BYTE, &[0x13, 1, 2], 1), None);
        assert_eq!(element(TWO_BYTE, &[1], 1), None);
        assert_eq!(element(TWO_BYTE, &[1, 4, 1, 2, 3], 1), None);
        assert_eq!(element(0xabcd, &[0x10, 0xaa], 1), None);
        assert_eq!(element(ONE_BYTE, &[], 1), None);
    }

    #[test]
    fn no_bytes_whatever_make_the_reader_stumble() {
        let mut state = 1_u64;
        for _ in 0..20_000 {
            let mut body = [0; 24];
            for byte in &mut body {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                *byte = (state >> 40) as u8;
            }
            let body = body.get(..(state >> 33) as usize % 25).unwrap();
            for identifier in 0..=255 {
                for profile in [ONE_BYTE, TWO_BYTE] {
                    if let Some(found) = element(profile, body, identifier) {
                        assert!(found.len() < body.len());
                    }
                }
            }
        }
    }

    #[test]
    fn a_level_is_a_single_byte() {
        let read = ClientLevel::parse(&[0x80 | 30]).unwrap();
        assert!(read.voice);
        assert_eq!(read.level.minus_dbov(), 30);
        let read = ClientLevel::parse(&[127]).unwrap();
        assert!(!read.voice);
        assert_eq!(read.level, AudioLevel::SILENCE);
        assert_eq!(ClientLevel::parse(&[]), None);
        assert_eq!(ClientLevel::parse(&[1, 2]), None);
    }
}
