//! Expressions: how each is loaded into a register.

use super::{
    attr::{Attrs, Writer},
    program::Register,
    uapi::*,
};
use crate::{Expr, FibAddress, Numgen};

impl Expr {
    /// How many 32 bit registers the value takes.
    pub(crate) fn space(self) -> usize {
        self.len().div_ceil(4)
    }

    /// How many bytes the kernel loads.
    pub(crate) fn len(self) -> usize {
        match self {
            Self::Nfproto => 1,
            Self::CtState | Self::CtStatus | Self::Fib(_) => 4,
            typed => typed.data_type().map_or(4, crate::DataType::len),
        }
    }

    /// Writes the expression that loads the value into `to`.
    pub(crate) fn load(self, writer: &mut Writer, to: Register) {
        use Expr as E;
        match self {
            E::IpSaddr => payload(writer, to, NFT_PAYLOAD_NETWORK_HEADER, 12, 4),
            E::IpDaddr => payload(writer, to, NFT_PAYLOAD_NETWORK_HEADER, 16, 4),
            E::Ip6Saddr => payload(writer, to, NFT_PAYLOAD_NETWORK_HEADER, 8, 16),
            E::Ip6Daddr => payload(writer, to, NFT_PAYLOAD_NETWORK_HEADER, 24, 16),
            E::ThSport => payload(writer, to, NFT_PAYLOAD_TRANSPORT_HEADER, 0, 2),
            E::ThDport => payload(writer, to, NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2),
            E::L4Proto => meta(writer, to, NFT_META_L4PROTO),
            E::Nfproto => meta(writer, to, NFT_META_NFPROTO),
            E::Mark => meta(writer, to, NFT_META_MARK),
            E::Iifname => meta(writer, to, NFT_META_IIFNAME),
            E::Oifname => meta(writer, to, NFT_META_OIFNAME),
            E::CtState => ct(writer, to, NFT_CT_STATE, false),
            E::CtStatus => ct(writer, to, NFT_CT_STATUS, false),
            E::CtMark => ct(writer, to, NFT_CT_MARK, false),
            E::CtOriginalIpDaddr => ct(writer, to, NFT_CT_DST_IP, true),
            E::CtOriginalIp6Daddr => ct(writer, to, NFT_CT_DST_IP6, true),
            E::CtOriginalDport => ct(writer, to, NFT_CT_PROTO_DST, true),
            E::Fib(address) => fib(writer, to, address),
            E::Numgen(numgen) => generator(writer, to, numgen),
        }
    }

    /// What an expression of this name and these attributes loads, and where to.
    pub(crate) fn parse(name: &str, attrs: Attrs<'_>) -> Option<(Self, Register)> {
        match name {
            "payload" => {
                let expr = parse_payload(attrs)?;
                Some((expr, Register::parse(attrs.be32(NFTA_PAYLOAD_DREG)?)?))
            }
            "meta" => Some((parse_meta(attrs)?, Register::parse(attrs.be32(NFTA_META_DREG)?)?)),
            "ct" => Some((parse_ct(attrs)?, Register::parse(attrs.be32(NFTA_CT_DREG)?)?)),
            "fib" => Some((parse_fib(attrs)?, Register::parse(attrs.be32(NFTA_FIB_DREG)?)?)),
            "numgen" => Some((parse_generator(attrs)?, Register::parse(attrs.be32(NFTA_NG_DREG)?)?)),
            _ => None,
        }
    }
}

/// An expression of a rule: name and attributes.
pub(crate) fn write(writer: &mut Writer, name: &str, attributes: impl FnOnce(&mut Writer)) {
    writer.nested(NFTA_LIST_ELEM, |writer| {
        writer.text(NFTA_EXPR_NAME, name);
        writer.nested(NFTA_EXPR_DATA, attributes);
    });
}

fn payload(writer: &mut Writer, to: Register, base: u32, offset: u32, len: u32) {
    write(writer, "payload", |writer| {
        writer.be32(NFTA_PAYLOAD_DREG, to.number());
        writer.be32(NFTA_PAYLOAD_BASE, base);
        writer.be32(NFTA_PAYLOAD_OFFSET, offset);
        writer.be32(NFTA_PAYLOAD_LEN, len);
    });
}

fn parse_payload(attrs: Attrs<'_>) -> Option<Expr> {
    let place =
        (attrs.be32(NFTA_PAYLOAD_BASE)?, attrs.be32(NFTA_PAYLOAD_OFFSET)?, attrs.be32(NFTA_PAYLOAD_LEN)?);
    match place {
        (NFT_PAYLOAD_NETWORK_HEADER, 12, 4) => Some(Expr::IpSaddr),
        (NFT_PAYLOAD_NETWORK_HEADER, 16, 4) => Some(Expr::IpDaddr),
        (NFT_PAYLOAD_NETWORK_HEADER, 8, 16) => Some(Expr::Ip6Saddr),
        (NFT_PAYLOAD_NETWORK_HEADER, 24, 16) => Some(Expr::Ip6Daddr),
        (NFT_PAYLOAD_TRANSPORT_HEADER, 0, 2) => Some(Expr::ThSport),
        (NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2) => Some(Expr::ThDport),
        _ => None,
    }
}

/// An address of which only the first bytes are loaded: the program's way of matching /8, /16, /24 and so on.
pub(crate) fn parse_shortened(name: &str, attrs: Attrs<'_>) -> Option<(Expr, Register)> {
    let is_network = name == "payload" && attrs.be32(NFTA_PAYLOAD_BASE)? == NFT_PAYLOAD_NETWORK_HEADER;
    let len = attrs.be32(NFTA_PAYLOAD_LEN).filter(|_| is_network)?;
    let expr = match (attrs.be32(NFTA_PAYLOAD_OFFSET)?, len) {
        (12, 1..=3) => Expr::IpSaddr,
        (16, 1..=3) => Expr::IpDaddr,
        (8, 1..=15) => Expr::Ip6Saddr,
        (24, 1..=15) => Expr::Ip6Daddr,
        _ => return None,
    };
    Some((expr, Register::parse(attrs.be32(NFTA_PAYLOAD_DREG)?)?))
}

fn meta(writer: &mut Writer, to: Register, key: u32) {
    write(writer, "meta", |writer| {
        writer.be32(NFTA_META_KEY, key);
        writer.be32(NFTA_META_DREG, to.number());
    });
}

fn parse_meta(attrs: Attrs<'_>) -> Option<Expr> {
    match attrs.be32(NFTA_META_KEY)? {
        NFT_META_L4PROTO => Some(Expr::L4Proto),
        NFT_META_NFPROTO => Some(Expr::Nfproto),
        NFT_META_MARK => Some(Expr::Mark),
        NFT_META_IIFNAME => Some(Expr::Iifname),
        NFT_META_OIFNAME => Some(Expr::Oifname),
        _ => None,
    }
}

fn ct(writer: &mut Writer, to: Register, key: u32, original: bool) {
    write(writer, "ct", |writer| {
        writer.be32(NFTA_CT_KEY, key);
        writer.be32(NFTA_CT_DREG, to.number());
        if original {
            writer.attr(NFTA_CT_DIRECTION, &[IP_CT_DIR_ORIGINAL]);
        }
    });
}

fn parse_ct(attrs: Attrs<'_>) -> Option<Expr> {
    match (attrs.be32(NFTA_CT_KEY)?, attrs.bytes(NFTA_CT_DIRECTION)) {
        (NFT_CT_STATE, None) => Some(Expr::CtState),
        (NFT_CT_STATUS, None) => Some(Expr::CtStatus),
        (NFT_CT_MARK, None) => Some(Expr::CtMark),
        (NFT_CT_DST_IP, Some([IP_CT_DIR_ORIGINAL])) => Some(Expr::CtOriginalIpDaddr),
        (NFT_CT_DST_IP6, Some([IP_CT_DIR_ORIGINAL])) => Some(Expr::CtOriginalIp6Daddr),
        (NFT_CT_PROTO_DST, Some([IP_CT_DIR_ORIGINAL])) => Some(Expr::CtOriginalDport),
        _ => None,
    }
}

fn fib(writer: &mut Writer, to: Register, address: FibAddress) {
    let flags = match address {
        FibAddress::Saddr => NFTA_FIB_F_SADDR,
        FibAddress::Daddr => NFTA_FIB_F_DADDR,
        FibAddress::DaddrIif => NFTA_FIB_F_DADDR | NFTA_FIB_F_IIF,
    };
    write(writer, "fib", |writer| {
        writer.be32(NFTA_FIB_FLAGS, flags);
        writer.be32(NFTA_FIB_RESULT, NFT_FIB_RESULT_ADDRTYPE);
        writer.be32(NFTA_FIB_DREG, to.number());
    });
}

fn parse_fib(attrs: Attrs<'_>) -> Option<Expr> {
    const DADDR_IIF: u32 = NFTA_FIB_F_DADDR | NFTA_FIB_F_IIF;
    match (attrs.be32(NFTA_FIB_RESULT)?, attrs.be32(NFTA_FIB_FLAGS)?) {
        (NFT_FIB_RESULT_ADDRTYPE, NFTA_FIB_F_SADDR) => Some(Expr::Fib(FibAddress::Saddr)),
        (NFT_FIB_RESULT_ADDRTYPE, NFTA_FIB_F_DADDR) => Some(Expr::Fib(FibAddress::Daddr)),
        (NFT_FIB_RESULT_ADDRTYPE, DADDR_IIF) => Some(Expr::Fib(FibAddress::DaddrIif)),
        _ => None,
    }
}

fn generator(writer: &mut Writer, to: Register, numgen: Numgen) {
    let (kind, modulus) = match numgen {
        Numgen::Random { modulus } => (NFT_NG_RANDOM, modulus),
        Numgen::Inc { modulus } => (NFT_NG_INCREMENTAL, modulus),
    };
    write(writer, "numgen", |writer| {
        writer.be32(NFTA_NG_DREG, to.number());
        writer.be32(NFTA_NG_MODULUS, modulus);
        writer.be32(NFTA_NG_TYPE, kind);
        writer.be32(NFTA_NG_OFFSET, 0);
    });
}

fn parse_generator(attrs: Attrs<'_>) -> Option<Expr> {
    let modulus = attrs.be32(NFTA_NG_MODULUS)?;
    match (attrs.be32(NFTA_NG_TYPE)?, attrs.be32(NFTA_NG_OFFSET).unwrap_or(0)) {
        (NFT_NG_RANDOM, 0) => Some(Expr::Numgen(Numgen::Random { modulus })),
        (NFT_NG_INCREMENTAL, 0) => Some(Expr::Numgen(Numgen::Inc { modulus })),
        _ => None,
    }
}
