//! Laws of reading and writing.

use proptest::prelude::*;

use crate::{Object, read, testing, write};

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_reads_back_as_the_same(object in testing::object()) {
        prop_assert_eq!(read::object(&write::manifest(&object)).unwrap(), object);
    }

    #[cfg(feature = "yaml")]
    #[test]
    fn as_text_too(cluster in testing::cluster()) {
        let text: String = cluster.iter().map(|object| format!("---\n{}", crate::yaml::write(object))).collect();
        let (objects, problems): (Vec<Object>, _) = crate::yaml::read(&text).stored();
        prop_assert_eq!(problems, vec![]);
        prop_assert_eq!(objects, cluster);
    }

    #[cfg(feature = "yaml")]
    #[test]
    fn reading_never_panics(text in "\\PC*") {
        drop(crate::yaml::read(&text).stored());
    }

    #[cfg(feature = "yaml")]
    #[test]
    fn reading_never_panics_on_damaged_manifests(
        object in testing::object(), at in any::<prop::sample::Index>(), with in "[\\PC\n]{0,3}",
    ) {
        let mut text = crate::yaml::write(&object);
        let at = at.index(text.len());
        if text.is_char_boundary(at) {
            text.replace_range(at..=at, &with);
        }
        drop(crate::yaml::read(&text).stored());
    }
}
