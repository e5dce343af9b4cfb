use proptest::{collection::vec, prelude::*};

use super::*;

fn any_name() -> impl Strategy<Value = Name> {
    let label = vec(any::<u8>(), 1..20);
    vec(label, 0..8).prop_map(|labels| Name::from_labels(labels.iter().map(Vec::as_slice)).unwrap())
}

proptest! {
    #[test]
    fn any_bytes_can_be_read_over(bytes in vec(any::<u8>(), 0..600), at in 0_usize..600) {
        let _ = Query::parse(&bytes);
        let _ = Reply::parse(&bytes).map(|reply| reply.answer_records());
        let _ = Name::parse(&bytes, &mut at.min(bytes.len()));
    }

    #[test]
    fn a_name_survives_its_text(name in any_name()) {
        let again: Name = name.to_string().parse().unwrap();
        prop_assert_eq!(again.wire(), name.wire());
    }

    #[test]
    fn a_name_survives_its_wire_form(name in any_name(), front in vec(any::<u8>(), 0..20)) {
        let mut message = front.clone();
        message.extend_from_slice(name.wire());
        let mut at = front.len();
        let again = Name::parse(&message, &mut at).unwrap();
        prop_assert_eq!(again.wire(), name.wire());
        prop_assert_eq!(at, message.len());
    }
}
