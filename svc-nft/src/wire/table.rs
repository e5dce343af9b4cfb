//! Tables.

use super::{
    attr::{Attrs, Writer},
    uapi::*,
    userdata,
};

pub(crate) fn write(writer: &mut Writer, comment: Option<&str>) {
    writer.be32(NFTA_TABLE_FLAGS, 0);
    if let Some(comment) = comment {
        writer.attr(NFTA_TABLE_USERDATA, &userdata::comment(comment));
    }
}

/// The comment of a table.
pub(crate) fn parse_comment(attrs: Attrs<'_>) -> Option<String> {
    userdata::read_comment(attrs.bytes(NFTA_TABLE_USERDATA)?)
}
