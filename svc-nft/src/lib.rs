//! nftables as typed values: their text, their netlink form, one atomic batch
