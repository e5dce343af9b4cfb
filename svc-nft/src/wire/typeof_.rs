//! The user data by which the nft program prints `typeof`: which expressions a key is made of. Numbers are those of
//! the program (its `enum expr_types`, `enum proto_desc_id` and header fields).

use super::{
    uapi::*,
    userdata::{self, UserData},
};
use crate::{Expr, Numgen};

const EXPR_VERDICT: u32 = 1;
const EXPR_PAYLOAD: u32 = 7;
const EXPR_META: u32 = 9;
const EXPR_CT: u32 = 12;
/// No direction, which the program has as -1.
const NO_DIRECTION: u32 = u32::MAX;
const EXPR_CONCAT: u32 = 13;
const EXPR_NUMGEN: u32 = 23;

const KIND: u8 = 0;
const DATA: u8 = 1;

const DESC_TH: u32 = 11;
const DESC_IP: u32 = 12;
const DESC_IP6: u32 = 13;

/// User data of a key or of map data made of these expressions; nothing if one of them has no such form.
pub(crate) fn write(exprs: &[Expr]) -> Option<UserData> {
    match exprs {
        [] => None,
        [single] => write_one(*single),
        several => {
            let mut parts = UserData::default();
            for (index, expr) in several.iter().enumerate() {
                parts.nested(u8::try_from(index).ok()?, &write_one(*expr)?);
            }
            Some(wrap(EXPR_CONCAT, &parts))
        }
    }
}

/// User data of verdicts as map data.
pub(crate) fn write_verdict() -> UserData {
    wrap(EXPR_VERDICT, &UserData::default())
}

fn wrap(kind: u32, data: &UserData) -> UserData {
    let mut outer = UserData::default();
    outer.number(KIND, kind);
    outer.nested(DATA, data);
    outer
}

fn write_one(expr: Expr) -> Option<UserData> {
    let (kind, numbers): (u32, &[u32]) = match expr {
        Expr::IpSaddr => (EXPR_PAYLOAD, &[DESC_IP, 11]),
        Expr::IpDaddr => (EXPR_PAYLOAD, &[DESC_IP, 12]),
        Expr::Ip6Saddr => (EXPR_PAYLOAD, &[DESC_IP6, 8]),
        Expr::Ip6Daddr => (EXPR_PAYLOAD, &[DESC_IP6, 9]),
        Expr::ThSport => (EXPR_PAYLOAD, &[DESC_TH, 1]),
        Expr::ThDport => (EXPR_PAYLOAD, &[DESC_TH, 2]),
        Expr::L4Proto => (EXPR_META, &[NFT_META_L4PROTO]),
        Expr::Mark => (EXPR_META, &[NFT_META_MARK]),
        Expr::Iifname => (EXPR_META, &[NFT_META_IIFNAME]),
        Expr::Oifname => (EXPR_META, &[NFT_META_OIFNAME]),
        Expr::CtMark => (EXPR_CT, &[NFT_CT_MARK, NO_DIRECTION]),
        Expr::CtOriginalIpDaddr => (EXPR_CT, &[NFT_CT_DST_IP, 0]),
        Expr::CtOriginalIp6Daddr => (EXPR_CT, &[NFT_CT_DST_IP6, 0]),
        Expr::CtOriginalDport => (EXPR_CT, &[NFT_CT_PROTO_DST, 0]),
        Expr::Numgen(Numgen::Random { modulus }) => (EXPR_NUMGEN, &[NFT_NG_RANDOM, modulus, 0]),
        Expr::Numgen(Numgen::Inc { modulus }) => (EXPR_NUMGEN, &[NFT_NG_INCREMENTAL, modulus, 0]),
        Expr::Nfproto | Expr::CtState | Expr::CtStatus | Expr::Fib(_) => return None,
    };
    let mut data = UserData::default();
    for (index, number) in numbers.iter().enumerate() {
        data.number(u8::try_from(index).ok()?, *number);
    }
    Some(wrap(kind, &data))
}

/// The expressions told by user data; nothing if one of them is not known here.
pub(crate) fn parse(bytes: &[u8]) -> Option<Vec<Expr>> {
    let data = userdata::find(bytes, DATA)?;
    match userdata::read_number(bytes, KIND)? {
        // The program writes an empty concatenation for some sets that are declared by `type`.
        EXPR_CONCAT if data.is_empty() => None,
        EXPR_CONCAT => userdata::read(data).map(|(_, part)| parse_one(part)).collect(),
        _ => Some(vec![parse_one(bytes)?]),
    }
}

fn parse_one(bytes: &[u8]) -> Option<Expr> {
    let data = userdata::find(bytes, DATA)?;
    let number = |kind| userdata::read_number(data, kind);
    let known = [
        Expr::IpSaddr,
        Expr::IpDaddr,
        Expr::Ip6Saddr,
        Expr::Ip6Daddr,
        Expr::ThSport,
        Expr::ThDport,
        Expr::L4Proto,
        Expr::Mark,
        Expr::Iifname,
        Expr::Oifname,
        Expr::CtMark,
        Expr::CtOriginalIpDaddr,
        Expr::CtOriginalIp6Daddr,
        Expr::CtOriginalDport,
    ];
    if userdata::read_number(bytes, KIND)? == EXPR_NUMGEN {
        return match (number(0)?, number(1)?) {
            (NFT_NG_RANDOM, modulus) => Some(Expr::numgen_random(modulus)),
            (_, modulus) => Some(Expr::numgen_inc(modulus)),
        };
    }
    known.into_iter().find(|expr| write_one(*expr).is_some_and(|known| known.as_bytes() == bytes))
}
