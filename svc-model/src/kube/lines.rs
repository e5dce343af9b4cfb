//! A byte stream to lines: a watch sends one JSON object a line, in pieces of any length.

/// The longest line that is taken. An object may have 1.5 MiB in etcd, and JSON and managed fields make it larger.
pub(super) const MAX_LINE_BYTES: usize = 16 << 20;

/// A line was longer than [`MAX_LINE_BYTES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LineTooLong;

/// Puts lines together again. Holds at most one line and the piece that came last.
#[derive(Debug, Default)]
pub(super) struct Lines {
    buffer: Vec<u8>,
    /// Where the next line begins; what lies before was given out.
    start: usize,
    /// Up to where no line feed was found.
    searched: usize,
}

impl Lines {
    /// Takes in what came next.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.start);
        self.searched -= self.start;
        self.start = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole line, without its line feed. Empty lines are passed over.
    pub(super) fn next(&mut self) -> Result<Option<&[u8]>, LineTooLong> {
        loop {
            let Some(length) = self.buffer[self.searched..].iter().position(|byte| *byte == b'\n') else {
                self.searched = self.buffer.len();
                return if self.searched - self.start > MAX_LINE_BYTES { Err(LineTooLong) } else { Ok(None) };
            };
            let (start, end) = (self.start, self.searched + length);
            (self.start, self.searched) = (end + 1, end + 1);
            if end - start > MAX_LINE_BYTES {
                return Err(LineTooLong);
            }
            if end > start {
                return Ok(Some(&self.buffer[start..end]));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(pieces: &[&[u8]]) -> Vec<Vec<u8>> {
        let (mut lines, mut found) = (Lines::default(), Vec::new());
        for piece in pieces {
            lines.feed(piece);
            while let Some(line) = lines.next().unwrap() {
                found.push(line.to_vec());
            }
        }
        found
    }

    #[test]
    fn lines_are_the_same_however_they_are_cut() {
        let text = b"{\"a\":1}\n\n{\"b\":\"\xc3\xa9\"}\r\n{}\nrest";
        let whole = split(&[text]);
        assert_eq!(whole.len(), 3);
        for first in 0..=text.len() {
            for second in first..=text.len() {
                assert_eq!(split(&[&text[..first], &text[first..second], &text[second..]]), whole);
            }
        }
        assert_eq!(split(&text.chunks(1).collect::<Vec<_>>()), whole);
    }

    #[test]
    fn a_line_without_end_is_refused_before_it_fills_the_memory() {
        let mut lines = Lines::default();
        let piece = vec![b'x'; 1 << 20];
        for _ in 0..16 {
            lines.feed(&piece);
            assert_eq!(lines.next(), Ok(None));
        }
        lines.feed(&piece);
        assert_eq!(lines.next(), Err(LineTooLong));
    }
}
