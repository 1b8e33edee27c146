//! The bytes inside a seal: numbers, texts and flags one after another, shorter than any self-describing format. Sealed bytes are
//! our own, but they may come from another version, so that reading is bounded and total.

use crate::base::time::Timestamp;
use zeroize::Zeroizing;

/// Why bytes are not what they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// They end too early, go on too long, or hold what cannot be.
    #[error("sealed contents are malformed")]
    Malformed,
    /// Another version wrote them, one that this one does not read.
    #[error("sealed contents have version {0}, which this version does not read")]
    Version(u8),
}

/// Writes one value after another. What was written is wiped.
#[derive(Default)]
pub(super) struct Writer(Zeroizing<Vec<u8>>);

impl Writer {
    /// Begins with the version.
    pub(super) fn new(version: u8) -> Self {
        // Room for the common case: growing would leave copies that nobody wipes.
        let mut bytes = Vec::with_capacity(4096);
        bytes.push(version);
        Self(Zeroizing::new(bytes))
    }

    pub(super) fn finish(self) -> Zeroizing<Vec<u8>> {
        self.0
    }

    pub(super) fn byte(&mut self, byte: u8) {
        self.raw(&[byte]);
    }

    pub(super) fn flag(&mut self, flag: bool) {
        self.byte(u8::from(flag));
    }

    /// Seven bits a byte, low ones first.
    pub(super) fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.byte((number & 0x7f) as u8 | 0x80);
            number >>= 7;
        }
        self.byte((number & 0x7f) as u8);
    }

    pub(super) fn time(&mut self, time: Timestamp) {
        self.number(time.as_secs());
    }

    pub(super) fn raw(&mut self, bytes: &[u8]) {
        let needed = self.0.len() + bytes.len();
        if needed > self.0.capacity() {
            let mut larger = Zeroizing::new(Vec::with_capacity(needed * 2));
            larger.extend_from_slice(&self.0);
            self.0 = larger;
        }
        self.0.extend_from_slice(bytes);
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.raw(bytes);
    }

    pub(super) fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    pub(super) fn option<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        self.flag(value.is_some());
        if let Some(value) = value {
            write(self, value);
        }
    }

    pub(super) fn list<T>(&mut self, values: &[T], write: impl Fn(&mut Self, &T)) {
        self.number(values.len() as u64);
        values.iter().for_each(|value| write(self, value));
    }
}

/// Reads what a [`Writer`] wrote.
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Begins behind the version, which must be `version`.
    pub(super) fn new(bytes: &'a [u8], version: u8) -> Result<Self, DecodeError> {
        match bytes.split_first() {
            Some((found, rest)) if *found == version => Ok(Self(rest)),
            Some((found, _)) => Err(DecodeError::Version(*found)),
            None => Err(DecodeError::Malformed),
        }
    }

    /// Nothing may be left.
    pub(super) const fn finish(&self) -> Result<(), DecodeError> {
        if self.0.is_empty() { Ok(()) } else { Err(DecodeError::Malformed) }
    }

    pub(super) fn byte(&mut self) -> Result<u8, DecodeError> {
        let [byte] = self.array()?;
        Ok(byte)
    }

    pub(super) fn flag(&mut self) -> Result<bool, DecodeError> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(DecodeError::Malformed),
        }
    }

    pub(super) fn number(&mut self) -> Result<u64, DecodeError> {
        let mut number = 0_u64;
        for place in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if bits << place >> place != bits {
                return Err(DecodeError::Malformed);
            }
            number |= bits << place;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(DecodeError::Malformed)
    }

    pub(super) fn time(&mut self) -> Result<Timestamp, DecodeError> {
        self.number().map(Timestamp::from_secs)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (head, rest) = self.0.split_first_chunk().ok_or(DecodeError::Malformed)?;
        self.0 = rest;
        Ok(*head)
    }

    pub(super) fn bytes(&mut self) -> Result<&'a [u8], DecodeError> {
        let length = usize::try_from(self.number()?).map_err(|_| DecodeError::Malformed)?;
        let (head, rest) = self.0.split_at_checked(length).ok_or(DecodeError::Malformed)?;
        self.0 = rest;
        Ok(head)
    }

    pub(super) fn text(&mut self) -> Result<&'a str, DecodeError> {
        std::str::from_utf8(self.bytes()?).map_err(|_| DecodeError::Malformed)
    }

    pub(super) fn string(&mut self) -> Result<String, DecodeError> {
        self.text().map(str::to_owned)
    }

    pub(super) fn option<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Option<T>, DecodeError> {
        if self.flag()? { read(self).map(Some) } else { Ok(None) }
    }

    /// A list of no more than `limit` values.
    pub(super) fn list<T>(
        &mut self,
        limit: u64,
        read: impl Fn(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Vec<T>, DecodeError> {
        let length = self.number()?;
        if length > limit {
            return Err(DecodeError::Malformed);
        }
        (0..length).map(|_| read(self)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_every_length_are_read_back() {
        for number in [0, 1, 0x7f, 0x80, 0x3fff, 0x4000, u64::from(u32::MAX), u64::MAX] {
            let mut writer = Writer::new(1);
            writer.number(number);
            let bytes = writer.finish();
            assert_eq!(Reader::new(&bytes, 1).unwrap().number(), Ok(number));
        }
    }

    #[test]
    fn numbers_beyond_64_bits_are_refused() {
        for bytes in [&[0xff; 10][..], &[0x80; 11][..], &[0x80, 0x80][..]] {
            assert_eq!(Reader(bytes).number(), Err(DecodeError::Malformed));
        }
        let just_too_large = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02];
        assert_eq!(Reader(&just_too_large).number(), Err(DecodeError::Malformed));
    }

    #[test]
    fn a_length_beyond_the_end_is_refused() {
        assert_eq!(Reader(&[5, b'a']).text(), Err(DecodeError::Malformed));
        assert_eq!(Reader(&[1, 0xff]).text(), Err(DecodeError::Malformed));
        assert_eq!(Reader(&[2]).flag(), Err(DecodeError::Malformed));
        assert_eq!(Reader(&[9, 0]).list(8, Reader::byte), Err(DecodeError::Malformed));
    }

    #[test]
    fn another_version_is_told_from_damage() {
        assert_eq!(Reader::new(&[2, 0], 1).err(), Some(DecodeError::Version(2)));
        assert_eq!(Reader::new(&[], 1).err(), Some(DecodeError::Malformed));
    }

    #[test]
    fn growing_keeps_what_was_written() {
        let mut writer = Writer::new(1);
        (0..2000).for_each(|number| writer.number(number * 1000));
        let bytes = writer.finish();
        let mut reader = Reader::new(&bytes, 1).unwrap();
        assert!((0..2000).all(|number| reader.number() == Ok(number * 1000)));
        assert_eq!(reader.finish(), Ok(()));
    }
}
