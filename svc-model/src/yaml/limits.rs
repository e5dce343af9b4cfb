//! How much of a text is read, so that no text, however it was made, takes memory or time beyond what it is worth.

/// No text larger than this is parsed: 64 MiB.
pub const MAX_TEXT_BYTES: usize = 64 << 20;

/// How many documents of a text are read. Those after it are left out, and a problem says so.
pub const MAX_DOCUMENTS: usize = 100_000;

/// No document larger than this is parsed: 16 MiB, five times what an API server takes in a request.
pub const MAX_DOCUMENT_BYTES: usize = 16 << 20;

/// How complex a document may be, so that parsing it takes at most some 300 MiB: four points for each `:`, five for
/// each `-` of a list, and so on for the other indicators of YAML, wherever they stand in the text. A `List` of 10 000
/// Services has 1 500 000.
pub const MAX_COMPLEXITY: usize = 1 << 21;

/// How deep lists and mappings may be nested. Kubernetes' own objects stay below 20.
pub const MAX_DEPTH: usize = 64;

/// How many entries one list or mapping may have.
pub const MAX_ENTRIES: usize = 200_000;

/// Aliases (`*name`) may make a document so many times as large as its text, and [`ALIAS_ALLOWANCE`] larger.
pub const MAX_ALIAS_GROWTH: usize = 16;

/// What aliases may add to any document, in bytes.
pub const ALIAS_ALLOWANCE: usize = 4 << 10;

/// What a document may expand to: every value counts for one and for the bytes of its text.
pub(super) fn expansion(document: &str) -> usize {
    document.len().saturating_mul(MAX_ALIAS_GROWTH).saturating_add(ALIAS_ALLOWANCE)
}

/// The points of [`MAX_COMPLEXITY`]: no fewer than the parser makes events of the document.
pub(super) fn complexity(document: &str) -> usize {
    let bytes = document.as_bytes();
    let blank = |at: usize| bytes.get(at).is_none_or(u8::is_ascii_whitespace);
    let points = |(at, byte): (usize, &u8)| match byte {
        b':' | b',' => 4,
        b'[' | b'{' => 3,
        b'?' if blank(at + 1) => 8,
        b'-' if blank(at + 1) => 5,
        _ => 0,
    };
    bytes.iter().enumerate().map(points).sum()
}

/// The most brackets that are open at once, quotes and comments not considered: far more than [`MAX_DEPTH`] is no
/// manifest, and takes the parser long.
fn open_brackets(document: &str) -> usize {
    let (mut open, mut most) = (0_usize, 0);
    for byte in document.bytes() {
        match byte {
            b'[' | b'{' => open += 1,
            b']' | b'}' => open = open.saturating_sub(1),
            _ => {}
        }
        most = most.max(open);
    }
    most
}

pub(super) fn too_deep() -> String {
    format!("is nested deeper than {MAX_DEPTH} lists and mappings")
}

/// Why a document is not even parsed.
pub(super) fn refuse(document: &str) -> Option<String> {
    if document.len() > MAX_DOCUMENT_BYTES {
        let bytes = document.len();
        return Some(format!("has {bytes} bytes, more than the {MAX_DOCUMENT_BYTES} that are read"));
    }
    if open_brackets(document) > 16 * MAX_DEPTH {
        return Some(too_deep());
    }
    let points = complexity(document);
    (points > MAX_COMPLEXITY)
        .then(|| format!("is too complex ({points} points of {MAX_COMPLEXITY}): split it by `---` lines"))
}
