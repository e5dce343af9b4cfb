//! User data: what the kernel keeps for the program without looking at it. A row of type, length, value, one byte
//! each for type and length, as libnftnl lays it out.

/// A row of type, length, value; values longer than 255 bytes are left out.
#[derive(Debug, Default)]
pub(crate) struct UserData(Vec<u8>);

impl UserData {
    pub(crate) fn put(&mut self, kind: u8, value: &[u8]) {
        if let Ok(len) = u8::try_from(value.len()) {
            self.0.extend_from_slice(&[kind, len]);
            self.0.extend_from_slice(value);
        }
    }

    pub(crate) fn number(&mut self, kind: u8, value: u32) {
        self.put(kind, &value.to_ne_bytes());
    }

    /// Text with its final NUL.
    pub(crate) fn text(&mut self, kind: u8, text: &str) {
        let mut value = text.as_bytes().to_vec();
        value.push(0);
        self.put(kind, &value);
    }

    pub(crate) fn nested(&mut self, kind: u8, inside: &Self) {
        self.put(kind, &inside.0);
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// User data of one comment.
pub(crate) fn comment(text: &str) -> Vec<u8> {
    let mut data = UserData::default();
    data.text(COMMENT, text);
    data.0
}

/// Tables, chains, rules and elements keep their comment under this type; sets have their own.
pub(crate) const COMMENT: u8 = 0;

/// The comment in user data.
pub(crate) fn read_comment(bytes: &[u8]) -> Option<String> {
    read_text(bytes, COMMENT)
}

pub(crate) fn read_text(bytes: &[u8], kind: u8) -> Option<String> {
    let text = find(bytes, kind)?.split(|byte| *byte == 0).next()?;
    String::from_utf8(text.to_vec()).ok()
}

pub(crate) fn read_number(bytes: &[u8], kind: u8) -> Option<u32> {
    Some(u32::from_ne_bytes(find(bytes, kind)?.try_into().ok()?))
}

/// The value of a type.
pub(crate) fn find(bytes: &[u8], kind: u8) -> Option<&[u8]> {
    read(bytes).find(|(found, _)| *found == kind).map(|(_, value)| value)
}

/// All types and values; ends at the first malformed one.
pub(crate) fn read(mut bytes: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    std::iter::from_fn(move || {
        let ([kind, len], rest) = bytes.split_first_chunk::<2>()?;
        let value = rest.get(..usize::from(*len))?;
        bytes = rest.get(usize::from(*len)..).unwrap_or_default();
        Some((*kind, value))
    })
}
